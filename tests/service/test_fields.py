"""Every field that the contract gives a job is filled by somebody, in some life.

A few jobs live through everything that leaves a trace; what any watcher or caller
saw of them is laid over the descriptors, and what is left over is named here.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from longshore.v1 import image_pb2, job_options_pb2, job_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.drivers.base import Context
from longshored.errors import Kind, ServiceError
from longshored.job.spec import ImageRef, PullResult, PullStatus, SkippedRange
from tests.support.calls import (
    create,
    finished,
    from_now,
    pull,
    seconds,
    wait,
    watching,
)
from tests.support.daemon import Stubs
from tests.support.drivers import Scripted, Steady, node

# Kinds that nobody serves yet, and what only they have.
NOT_SERVED = {
    *("JobInfo.storage", "JobInfo.domain", "JobInfo.network"),
    *("JobOptions.block_mirror", "JobOptions.domain_migrate"),
    *("BlockJobInfo.commit", "BlockJobInfo.mirror", "BlockJobInfo.backup"),
    *("BlockJobInfo.rebase", "BlockJobInfo.compare", "BlockJobInfo.checksum"),
    "BlockJobInfo.check",
}


# Filled by a daemon that exports traces; this one does not.
TRACED = {"Job.trace_id", "Job.traceparent"}

# The year 2242.
LATER = Timestamp(seconds=1 << 33)


def name(descriptor: Any) -> Any:
    return descriptor.full_name.removeprefix("longshore.v1.")


def is_ours(descriptor: Any) -> bool:
    return (
        descriptor is not None
        and descriptor.full_name.startswith("longshore.v1.")
        and not descriptor.GetOptions().map_entry
    )


def declared(descriptor: Any, found: set[str] | None = None) -> set[str]:
    """Every field that a message can hold, and those below it."""
    found = set() if found is None else found
    for field in descriptor.fields:
        full = f"{name(descriptor)}.{field.name}"
        if full in NOT_SERVED or full in found:
            continue
        found.add(full)
        if is_ours(field.message_type):
            declared(field.message_type, found)
    return found


def filled(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        yield f"{name(message.DESCRIPTOR)}.{field.name}"
        if is_ours(field.message_type):
            for one in [value] if isinstance(value, Message) else value:
                yield from filled(one)


OPTIONS = job_options_pb2.JobOptions(
    speed_bytes_per_second=1000,
    burst_bytes=1,
    iops=1000,
    burst_operations=1,
    priority=5,
    earliest_start_time=Timestamp(seconds=1),
    windows=[
        job_options_pb2.TimeWindow(
            weekdays=[job_options_pb2.WEEKDAY_MONDAY],
            start_minute=1,
            duration_minutes=7 * 24 * 60,
            time_zone="Europe/Madrid",
        )
    ],
    source_error_policy=job_options_pb2.ErrorPolicy(
        action=job_options_pb2.ERROR_ACTION_RETRY,
        retry_count=2,
        retry_backoff=seconds(2),
    ),
    target_error_policy=job_options_pb2.ErrorPolicy(
        action=job_options_pb2.ERROR_ACTION_STOP
    ),
    auto_finalize=False,
    auto_dismiss_delay=seconds(3600),
)

STATUS = PullStatus(published_bytes=1, checkpoint_time=1, link_count=2, current_depth=1)
RESULT = PullResult(
    copied_bytes=1,
    zeroed_bytes=2,
    skipped_bytes=3,
    backing=ImageRef("/images/base.raw", "raw"),
    backing_name="base.raw",
    skipped_ranges=(SkippedRange(5, 6, "/images/base.raw", 5),),
    duration=1.5,
)


class Eventful:
    """A run that does everything a driver can tell of, then goes on steadily."""

    def __init__(self) -> None:
        self.steady = Steady()

    def __call__(self, context: Context) -> None:
        meter = context.meter
        meter.expect(100)
        meter.phase("copy", 1, 2)
        meter.done(0, 50)
        meter.count(read=1, written=2, zeroed=3, reflinked=4, skipped=5)
        for account in ("reading", "writing", "flushing"):
            meter.spend(account, 0.5)
        for _ in range(3):
            context.proceed(20)
        context.save(b"state", STATUS)
        context.warn("Something is odd", "/images/eventful.qcow2")
        self.steady(context)


def life_of_a_member(stubs: Stubs, driver: Scripted) -> Iterator[job_pb2.Job]:
    """Throttled, warned, paused, resumed, finalised: in a group, after another."""
    run = Eventful()
    driver.script("eventful", run=run, result=RESULT)
    yield create(stubs, "first", job_id="first")
    finished(stubs, "first")
    request = pull("eventful", job_id="a", options=OPTIONS)
    request.info.block.pull.spec.allow_snapshot_loss = True
    spec = request.info.block.pull.spec
    spec.base.CopyFrom(image_pb2.ImageRef(uri="/images/base.raw", format="raw"))
    spec.backing_chain.add(uri="/images/base.raw", format="raw")
    member = pb.JobGroupMember(
        job_id="a", info=request.info, labels={"vm": "7"}, after=["first"]
    )
    member.options.CopyFrom(OPTIONS)
    member.options.ClearField("auto_finalize")
    group = pb.JobGroupOptions(
        auto_finalize=False,
        speed_bytes_per_second=10_000,
        burst_bytes=1,
        iops=1000,
        burst_operations=1,
    )
    stubs.jobs.CreateJobGroup(pb.CreateJobGroupRequest(members=[member], options=group))
    assert run.steady.begun.wait(20)
    yield stubs.jobs.GetJob(pb.GetJobRequest(job_id="a")).job
    stubs.jobs.PauseJob(pb.PauseJobRequest(job_id="a", comment="lunch"))
    wait(stubs, "a", job_pb2.JOB_STATE_PAUSED)
    stubs.jobs.ResumeJob(pb.ResumeJobRequest(job_id="a"))
    run.steady.finish.set()
    wait(stubs, "a", job_pb2.JOB_STATE_PENDING)
    stubs.jobs.FinalizeJob(pb.FinalizeJobRequest(job_id="a"))
    yield finished(stubs, "a")


def life_of_a_waiter(stubs: Stubs, driver: Scripted) -> Iterator[job_pb2.Job]:
    """Behind a job, then cancelled with a comment, and so is who it waited for."""
    steady = Steady()
    driver.script("held", run=steady)
    create(stubs, "held", job_id="holder")
    assert steady.begun.wait(20)
    yield create(stubs, "held", job_id="waiter", on_conflict=pb.ON_CONFLICT_QUEUE)
    stubs.jobs.CancelJob(pb.CancelJobRequest(job_id="holder", comment="enough"))
    yield finished(stubs, "holder")
    steady.finish.set()
    yield finished(stubs, "waiter")


def life_behind_a_process(stubs: Stubs, driver: Scripted) -> Iterator[job_pb2.Job]:
    """A foreign process has the image, and its node stops for the operator."""
    driver.script(
        "foreign",
        nodes=(node("foreign"),),
        trouble=ServiceError(
            Kind.TARGET_BUSY,
            "In use",
            pid=7,
            command="qemu",
            uri="/images/foreign.qcow2",
        ),
    )
    yield create(stubs, "foreign", job_id="f", on_conflict=pb.ON_CONFLICT_QUEUE)


def life_before_its_time(stubs: Stubs, driver: Scripted) -> Iterator[job_pb2.Job]:
    later = job_options_pb2.JobOptions(earliest_start_time=LATER)
    yield create(stubs, "later", job_id="later", options=later)


def test_every_field_of_a_job_is_filled(stubs: Stubs, driver: Scripted) -> None:
    lives = (
        life_of_a_member,
        life_of_a_waiter,
        life_behind_a_process,
        life_before_its_time,
    )
    seen: set[str] = set()
    with watching(stubs, from_now=from_now()) as watch:
        watch.next()
        for life in lives:
            for job in life(stubs, driver):
                seen.update(filled(job))
        last = create(stubs, "last", job_id="last")
        for event in watch.events_until(lambda event: event.job.number == last.number):
            seen.update(filled(event.job))
    known = declared(job_pb2.Job.DESCRIPTOR) - TRACED
    assert len(known) > 100
    assert known - seen == set()


def test_what_is_asked_of_the_options_is_what_is_shown(stubs: Stubs) -> None:
    job = create(stubs, options=OPTIONS)
    assert job.options == OPTIONS
    assert declared(job_options_pb2.JobOptions.DESCRIPTOR) == set(filled(job.options))


def test_a_warning_says_when_and_about_what(stubs: Stubs, driver: Scripted) -> None:
    driver.script("disk", run=lambda context: context.warn("Odd", "/images/a b.raw"))
    create(stubs, job_id="a")
    job = finished(stubs, "a")
    (warning,) = job.warnings
    assert warning.node_uri == "file:///images/a%20b.raw"
    start, end = job.start_time.ToNanoseconds(), job.end_time.ToNanoseconds()
    assert start <= warning.warning_time.ToNanoseconds() <= end


def test_the_comment_of_a_cancel_stays_with_the_job(stubs: Stubs) -> None:
    later = job_options_pb2.JobOptions(earliest_start_time=LATER)
    create(stubs, job_id="a", options=later)
    stubs.jobs.CancelJob(pb.CancelJobRequest(job_id="a", comment="enough"))
    assert finished(stubs, "a").cancel_comment == "enough"


@pytest.mark.parametrize("delay", [4.35, 0.1, 1.999999999, 86_399.999])
def test_a_delay_is_shown_as_it_was_asked_for(stubs: Stubs, delay: float) -> None:
    options = job_options_pb2.JobOptions(auto_dismiss_delay=seconds(delay))
    shown = create(stubs, job_id="a", options=options).options
    assert shown.auto_dismiss_delay == seconds(delay)


def test_a_job_expires_as_its_own_delay_says(stubs: Stubs) -> None:
    hour = job_options_pb2.JobOptions(auto_dismiss_delay=seconds(3600))
    create(stubs, job_id="a", options=hour)
    job = finished(stubs, "a")
    kept = job.expire_time.ToNanoseconds() - job.end_time.ToNanoseconds()
    assert kept == 3600 * 10**9
