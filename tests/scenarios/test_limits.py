"""Limits that jobs share, changed while real pulls run in a real daemon."""

import threading
from collections.abc import Sequence

import pytest

from longshore.v1 import job_pb2, job_progress_pb2
from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import system_service_pb2 as system_pb
from longshore.v1.rate_limit_pb2 import RateLimit, RateLimitScope
from longshored.units import MiB
from tests.scenarios.conftest import Start
from tests.scenarios.images import make_chain, pull_of, ref
from tests.support.calls import finished, wait
from tests.support.daemon import Place, Stubs

pytestmark = pytest.mark.slow

DEVICE = job_progress_pb2.LIMITED_BY_DEVICE
GROUP = job_progress_pb2.LIMITED_BY_GROUP

# How long a rate is looked at. A look may be late by a few milliseconds.
STRETCH_SECONDS = 2.5


def limit_device(stubs: Stubs, place: Place, rate: int | None) -> str:
    """Limit the device that the images lie on; its number comes back."""
    request = system_pb.UpdateRateLimitsRequest(
        scope=RateLimitScope(image_uri=ref(place, "a.raw").uri),
        rate_limit=RateLimit(speed_bytes_per_second=rate),
    )
    request.update_mask.paths.append("speed_bytes_per_second")
    return stubs.system.UpdateRateLimits(request).rate_limit.scope.device


def get(stubs: Stubs, job_id: str) -> job_pb2.Job:
    return stubs.jobs.GetJob(pb.GetJobRequest(job_id=job_id)).job


def moved(stubs: Stubs, job_id: str) -> tuple[float, int]:
    progress = get(stubs, job_id).progress
    return progress.sample_time.ToNanoseconds() / 1e9, progress.current


def rates(stubs: Stubs, job_ids: Sequence[str]) -> list[float]:
    """Bytes a second of each job, by the times at which the daemon looked."""
    before = [moved(stubs, job_id) for job_id in job_ids]
    threading.Event().wait(STRETCH_SECONDS)
    after = [moved(stubs, job_id) for job_id in job_ids]
    return [
        (end - start) / (late - early)
        for (early, start), (late, end) in zip(before, after, strict=True)
    ]


def within(found: Sequence[float], rate: int, *, more_than: float) -> bool:
    """Never above the limit; below it only as far as a busy machine may bring it."""
    return more_than < sum(found) <= 1.03 * rate


def test_two_pulls_share_the_limit_of_their_device_as_it_changes(
    start: Start, place: Place
) -> None:
    stubs = start().connect()
    names = ("a", "b")
    for name in names:
        make_chain(stubs, place, name, size=64 * MiB)
    limit_device(stubs, place, 4 * MiB)
    for name in names:
        stubs.jobs.CreateJob(pull_of(place, name, job_id=name))
        wait(stubs, name, job_pb2.JOB_STATE_RUNNING)
    for rate, least in ((4 * MiB, 1 * MiB), (12 * MiB, 1.1 * 4 * MiB)):
        device = limit_device(stubs, place, rate)
        found = rates(stubs, names)
        assert within(found, rate, more_than=least), found
        for name in names:
            job = get(stubs, name)
            assert job.nodes[0].device == device
            assert job.progress.limited_by == DEVICE
    limit_device(stubs, place, None)
    for name in names:
        assert finished(stubs, name).state == job_pb2.JOB_STATE_SUCCEEDED
    stubs.close()


def test_a_limit_of_a_group_survives_a_kill_and_is_shared_after_it(
    start: Start, place: Place
) -> None:
    daemon = start()
    stubs = daemon.connect()
    names = ("a", "b")
    for name in names:
        make_chain(stubs, place, name, size=32 * MiB)
    members = [
        pb.JobGroupMember(job_id=name, info=pull_of(place, name).info) for name in names
    ]
    request = pb.CreateJobGroupRequest(group_id="g", members=members)
    request.options.speed_bytes_per_second = MiB
    stubs.jobs.CreateJobGroup(request)
    for name in names:
        wait(stubs, name, job_pb2.JOB_STATE_RUNNING)
    rate = 4 * MiB
    stubs.jobs.UpdateJobGroup(
        pb.UpdateJobGroupRequest(
            group_id="g", rate_limit=RateLimit(speed_bytes_per_second=rate)
        )
    )
    daemon.kill()
    stubs.close()

    stubs = start().connect()
    for name in names:
        wait(stubs, name, job_pb2.JOB_STATE_RUNNING)
    found = rates(stubs, names)
    assert within(found, rate, more_than=1.1 * MiB), found
    job = get(stubs, "a")
    assert job.group_rate_limit.speed_bytes_per_second == rate
    assert job.progress.limited_by == GROUP
    stubs.jobs.CancelJob(pb.CancelJobRequest(job_id="a"))
    assert finished(stubs, "b").state == job_pb2.JOB_STATE_CANCELLED
    stubs.close()
