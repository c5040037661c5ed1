"""Limits through the service: scopes, masks, origins, and what is wrong with them."""

import os
from pathlib import Path

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from longshore.v1 import job_pb2
from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import system_service_pb2 as system_pb
from longshore.v1.rate_limit_pb2 import RateLimit, RateLimitScope, SharedRateLimit
from longshored.config.settings import JobSettings
from tests.service.conftest import Open
from tests.support.calls import create, finished, from_now, pull, refusal, watching
from tests.support.daemon import Place, Stubs
from tests.support.drivers import Scripted, Steady, node

DAEMON = RateLimitScope(daemon=RateLimitScope.Daemon())
DEVICE = RateLimitScope(device="8:0")

Update = system_pb.UpdateRateLimitsRequest


def update(
    stubs: Stubs,
    scope: RateLimitScope,
    limit: RateLimit,
    paths: list[str] | None = None,
) -> SharedRateLimit:
    request = Update(scope=scope, rate_limit=limit)
    if paths is not None:
        request.update_mask.CopyFrom(FieldMask(paths=paths))
    return stubs.system.UpdateRateLimits(request).rate_limit


def shown(stubs: Stubs) -> list[SharedRateLimit]:
    answer = stubs.system.GetRateLimits(system_pb.GetRateLimitsRequest())
    return list(answer.rate_limits)


def test_a_daemon_without_limits_says_so(stubs: Stubs) -> None:
    (limit,) = shown(stubs)
    assert limit.scope == DAEMON
    assert limit.rate_limit == RateLimit()
    assert not limit.HasField("override_time")


def test_a_limit_is_shown_with_who_set_it(stubs: Stubs) -> None:
    limit = update(stubs, DAEMON, RateLimit(iops=5))
    assert limit.rate_limit == limit.overrides == RateLimit(iops=5)
    assert limit.actor == "unix"
    assert limit.HasField("override_time")
    assert shown(stubs) == [limit]


def test_a_limit_goes_before_what_is_configured_until_it_is_taken_away(
    open_daemon: Open,
) -> None:
    settings = JobSettings(speed_bytes_per_second=100, device_iops=7)
    stubs = open_daemon(sections={"jobs": settings}).connect()
    limit = update(stubs, DAEMON, RateLimit(speed_bytes_per_second=200))
    assert limit.configured == RateLimit(speed_bytes_per_second=100)
    assert limit.rate_limit == RateLimit(speed_bytes_per_second=200)
    back = update(stubs, DAEMON, RateLimit(), ["speed_bytes_per_second"])
    assert back.rate_limit == RateLimit(speed_bytes_per_second=100)
    assert not back.HasField("override_time")
    assert update(stubs, DEVICE, RateLimit()).rate_limit == RateLimit(iops=7)
    stubs.close()


def test_a_mask_leaves_the_other_fields(stubs: Stubs) -> None:
    update(stubs, DEVICE, RateLimit(iops=5, speed_bytes_per_second=9))
    limit = update(stubs, DEVICE, RateLimit(iops=6), ["iops", "burst_operations"])
    assert limit.rate_limit == RateLimit(iops=6, speed_bytes_per_second=9)


def test_limits_outlive_the_daemon(open_daemon: Open) -> None:
    first = open_daemon()
    stubs = first.connect()
    limits = [update(stubs, scope, RateLimit(iops=5)) for scope in (DAEMON, DEVICE)]
    stubs.close()
    first.stop()
    again = open_daemon().connect()
    assert shown(again) == limits
    again.close()


def test_an_image_names_the_device_that_it_lies_on(stubs: Stubs, place: Place) -> None:
    image = place.root / "disk.raw"
    image.write_bytes(bytes(512))
    number = image.stat().st_dev
    scope = RateLimitScope(image_uri=str(image))
    limit = update(stubs, scope, RateLimit(iops=5))
    assert limit.scope.device == f"{os.major(number)}:{os.minor(number)}"
    asked = system_pb.GetRateLimitsRequest(scope=scope)
    assert list(stubs.system.GetRateLimits(asked).rate_limits) == [limit]


def test_nodes_name_their_device(stubs: Stubs, driver: Scripted) -> None:
    driver.script("disk", nodes=(node("disk", device="8:16"),))
    create(stubs, job_id="a")
    assert finished(stubs, "a").nodes[0].device == "8:16"


WRONG = [
    (Update(rate_limit=RateLimit(iops=5)), "scope", ""),
    (Update(scope=RateLimitScope(), rate_limit=RateLimit()), "scope", ""),
    (Update(scope=DAEMON), "rate_limit", ""),
    (Update(scope=DAEMON, rate_limit=RateLimit(iops=0)), "rate_limit.iops", "0"),
    (Update(scope=DAEMON, rate_limit=RateLimit(iops=-7)), "rate_limit.iops", "-7"),
    (
        Update(scope=DAEMON, rate_limit=RateLimit(burst_bytes=5)),
        "rate_limit.burst_bytes",
        "speed_bytes_per_second",
    ),
    (
        Update(
            scope=DAEMON, rate_limit=RateLimit(), update_mask=FieldMask(paths=["rate"])
        ),
        "update_mask",
        "rate",
    ),
    *(
        (
            Update(scope=RateLimitScope(device=wrong), rate_limit=RateLimit(iops=5)),
            "scope.device",
            wrong.strip(),
        )
        for wrong in ("sda", "8", "8:0\n", "-8:0", "8:99999999", "\u0668:\u0660")
    ),
    (
        Update(scope=RateLimitScope(image_uri="relative"), rate_limit=RateLimit()),
        "scope.image_uri",
        "absolute",
    ),
]


@pytest.mark.parametrize(("request_", "field", "value"), WRONG)
def test_a_wrong_limit_is_named_and_nothing_is_set(
    stubs: Stubs, request_: Update, field: str, value: str
) -> None:
    told = refusal(lambda: stubs.system.UpdateRateLimits(request_))
    assert told.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told.info.metadata["firstField"] == field
    assert value in told.message
    assert not any(limit.HasField("override_time") for limit in shown(stubs))


def test_an_image_outside_the_roots_names_no_device(
    stubs: Stubs, tmp_path: Path
) -> None:
    outside = tmp_path / "outside.raw"
    outside.write_bytes(b"")
    scope = RateLimitScope(image_uri=str(outside))
    told = refusal(lambda: update(stubs, scope, RateLimit(iops=5)))
    assert told.code is grpc.StatusCode.PERMISSION_DENIED


def test_an_image_that_is_not_there_names_no_device(stubs: Stubs, place: Place) -> None:
    scope = RateLimitScope(image_uri=str(place.root / "none.raw"))
    told = refusal(lambda: update(stubs, scope, RateLimit(iops=5)))
    assert told.code is grpc.StatusCode.NOT_FOUND


# Groups.


def group_of(stubs: Stubs, driver: Scripted, *names: str) -> list[Steady]:
    """Running members of a group "g"."""
    runs = [Steady() for _ in names]
    for name, run in zip(names, runs, strict=True):
        driver.script(name, run=run)
    members = [pb.JobGroupMember(job_id=name, info=pull(name).info) for name in names]
    stubs.jobs.CreateJobGroup(pb.CreateJobGroupRequest(group_id="g", members=members))
    for run in runs:
        assert run.begun.wait(20)
    return runs


def test_a_limit_of_a_group_is_in_each_of_its_jobs_and_events(
    stubs: Stubs, driver: Scripted
) -> None:
    runs = group_of(stubs, driver, "a", "b")
    limit = RateLimit(iops=50)
    with watching(stubs, from_now=from_now()) as watch:
        watch.next()
        answer = stubs.jobs.UpdateJobGroup(
            pb.UpdateJobGroupRequest(group_id="g", rate_limit=limit)
        )
        events = watch.events(2)
    assert answer.rate_limit == limit
    assert [job.job_id for job in answer.jobs] == ["a", "b"]
    assert [event.job for event in events] == list(answer.jobs)
    assert {event.job.group_rate_limit.iops for event in events} == {50}
    for run in runs:
        run.finish.set()
    for name in "ab":
        assert finished(stubs, name).state == job_pb2.JOB_STATE_SUCCEEDED


def test_a_limit_of_a_group_is_taken_away_by_its_mask(
    stubs: Stubs, driver: Scripted
) -> None:
    (run,) = group_of(stubs, driver, "a")
    request = pb.UpdateJobGroupRequest(group_id="g", rate_limit=RateLimit(iops=5))
    stubs.jobs.UpdateJobGroup(request)
    request = pb.UpdateJobGroupRequest(
        group_id="g", rate_limit=RateLimit(), update_mask=FieldMask(paths=["iops"])
    )
    (job,) = stubs.jobs.UpdateJobGroup(request).jobs
    assert not job.HasField("group_rate_limit")
    run.finish.set()
    finished(stubs, "a")


def test_a_group_that_is_not_there_is_named(stubs: Stubs) -> None:
    request = pb.UpdateJobGroupRequest(group_id="g", rate_limit=RateLimit(iops=5))
    told = refusal(lambda: stubs.jobs.UpdateJobGroup(request))
    assert told.reason == "TARGET_NOT_FOUND"
    assert told.info.metadata["target"] == "g"


def test_a_burst_of_a_group_needs_its_rate(stubs: Stubs, driver: Scripted) -> None:
    (run,) = group_of(stubs, driver, "a")
    limit = RateLimit(burst_operations=5)
    request = pb.UpdateJobGroupRequest(group_id="g", rate_limit=limit)
    told = refusal(lambda: stubs.jobs.UpdateJobGroup(request))
    assert told.info.metadata["firstField"] == "rate_limit.burst_operations"
    run.finish.set()
    assert not finished(stubs, "a").HasField("group_rate_limit")
