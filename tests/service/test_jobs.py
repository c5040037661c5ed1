"""JobService through a real socket: making, looking, steering."""

import threading
import uuid
from dataclasses import replace
from typing import Any

import grpc
import pytest
from google.protobuf import field_mask_pb2
from google.rpc import error_details_pb2

from longshore.v1 import job_options_pb2, job_pb2, watch_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.drivers.base import Plan
from longshored.errors import Kind, ServiceError
from longshored.units import MiB
from tests.support.calls import create, finished, pull, refusal, seconds, wait
from tests.support.daemon import PATIENCE, Stubs
from tests.support.drivers import Scripted, Steady, node, raising

Options = job_options_pb2.JobOptions
RUNNING = job_pb2.JOB_STATE_RUNNING
PAUSED = job_pb2.JOB_STATE_PAUSED


def working(driver: Scripted, name: str = "disk") -> Steady:
    steady = Steady()
    driver.script(name, run=steady)
    return steady


def get(stubs: Stubs, job_id: str) -> job_pb2.Job:
    return stubs.jobs.GetJob(pb.GetJobRequest(job_id=job_id)).job


def test_a_job_is_made_with_what_was_asked(stubs: Stubs) -> None:
    job = create(
        stubs,
        job_id="a",
        labels={"vm": "7"},
        options=Options(speed_bytes_per_second=1000, priority=5),
    )
    assert (job.job_id, job.job_type, job.owner) == ("a", "block.pull", "unix")
    assert job.labels == {"vm": "7"}
    assert job.options.speed_bytes_per_second == 1000
    assert job.options.priority == 5
    assert job.number > 0
    assert uuid.UUID(job.uid).version == 7
    assert job.HasField("create_time")


def test_an_ended_job_has_its_result_and_its_history(stubs: Stubs) -> None:
    create(stubs, job_id="a")
    job = finished(stubs, "a")
    passed = [job_pb2.JobState.Name(step.state) for step in job.history]
    assert job.HasField("end_time")
    assert job.info.block.pull.HasField("result")
    assert list(job.actions) == [job_pb2.JOB_ACTION_DISMISS]
    assert passed == [
        "JOB_STATE_QUEUED",
        "JOB_STATE_RUNNING",
        "JOB_STATE_PENDING",
        "JOB_STATE_SUCCEEDED",
    ]


def test_a_failed_job_carries_its_reason(stubs: Stubs, driver: Scripted) -> None:
    error = ServiceError(Kind.IO_ERROR, "Cannot read", uri="/x", errno=5)
    driver.script("disk", run=raising(error))
    create(stubs, job_id="a")
    job = finished(stubs, "a")
    info = error_details_pb2.ErrorInfo()
    assert job.state == job_pb2.JOB_STATE_FAILED
    assert job.error.details[0].Unpack(info)
    assert job.error.code == grpc.StatusCode.DATA_LOSS.value[0]
    assert (info.reason, info.metadata["errno"]) == ("IO_ERROR", "5")


def test_the_same_request_id_answers_the_same_job(stubs: Stubs) -> None:
    request = pull(request_id=str(uuid.uuid4()), labels={"b": "2", "a": "1"})
    first = stubs.jobs.CreateJob(request)
    again = stubs.jobs.CreateJob(request)
    assert again.job.job_id == first.job.job_id
    assert (first.replayed, again.replayed) == (False, True)


def test_two_equal_requests_at_once_make_one_job(stubs: Stubs) -> None:
    request = pull(request_id=str(uuid.uuid4()))
    calls = [stubs.jobs.CreateJob.future(request) for _ in range(8)]
    answers = [call.result(PATIENCE) for call in calls]
    assert len({answer.job.job_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1


def test_a_request_id_with_another_body_is_refused(stubs: Stubs) -> None:
    request_id = str(uuid.uuid4())
    first = create(stubs, "one", request_id=request_id)
    told = refusal(lambda: create(stubs, "two", request_id=request_id))
    assert told.code is grpc.StatusCode.FAILED_PRECONDITION
    assert told.reason == "REQUEST_ID_REUSED"
    assert told.info.metadata["requestId"] == request_id
    assert told.info.metadata["jobId"] == first.job_id


def test_a_failed_check_is_not_remembered(stubs: Stubs, driver: Scripted) -> None:
    request_id = str(uuid.uuid4())
    trouble = ServiceError(Kind.TARGET_NOT_FOUND, "No such file", target="/x")
    script = driver.script("disk", trouble=trouble)
    assert refusal(lambda: create(stubs, request_id=request_id)).reason
    script.trouble = None
    assert not stubs.jobs.CreateJob(pull(request_id=request_id)).replayed


def test_validate_only_makes_nothing(stubs: Stubs) -> None:
    job = stubs.jobs.CreateJob(pull(validate_only=True)).job
    assert job.revision == 0
    assert not stubs.jobs.ListJobs(pb.ListJobsRequest()).jobs


def test_a_taken_name_is_refused_for_ever(stubs: Stubs) -> None:
    create(stubs, job_id="a")
    finished(stubs, "a")
    stubs.jobs.DismissJob(pb.DismissJobRequest(job_id="a"))
    told = refusal(lambda: create(stubs, job_id="a"))
    assert told.code is grpc.StatusCode.ALREADY_EXISTS
    assert told.reason == "JOB_ID_TAKEN"
    assert told.detail(error_details_pb2.ResourceInfo).resource_name == "a"


def test_a_busy_target_names_the_job_that_has_it(
    stubs: Stubs, driver: Scripted
) -> None:
    working(driver)
    create(stubs, job_id="a")
    told = refusal(lambda: create(stubs, job_id="b"))
    assert told.code is grpc.StatusCode.FAILED_PRECONDITION
    assert told.reason == "TARGET_BUSY"
    assert told.info.metadata["blockingJobId"] == "a"
    assert told.detail(error_details_pb2.PreconditionFailure)


def test_on_conflict_queue_says_what_the_job_waits_for(
    stubs: Stubs, driver: Scripted
) -> None:
    steady = working(driver)
    create(stubs, job_id="a")
    create(stubs, job_id="b", on_conflict=pb.ON_CONFLICT_QUEUE)
    job = get(stubs, "b")
    assert job.state == job_pb2.JOB_STATE_QUEUED
    assert job.pending.reason == job_pb2.PENDING_REASON_HOLD
    assert job.pending.blocking_job_id == "a"
    steady.finish.set()
    assert finished(stubs, "b").state == job_pb2.JOB_STATE_SUCCEEDED


def test_on_conflict_return_existing_answers_the_job_that_has_it(
    stubs: Stubs, driver: Scripted
) -> None:
    working(driver)
    create(stubs, job_id="a")
    answer = stubs.jobs.CreateJob(pull(on_conflict=pb.ON_CONFLICT_RETURN_EXISTING))
    assert answer.existing
    assert answer.job.job_id == "a"


def test_pause_and_resume_are_idempotent(stubs: Stubs, driver: Scripted) -> None:
    working(driver)
    create(stubs, job_id="a")
    for _ in range(2):
        stubs.jobs.PauseJob(pb.PauseJobRequest(job_id="a", comment="lunch"))
    paused = wait(stubs, "a", PAUSED)
    assert [(one.reason, one.actor) for one in paused.pauses] == [("lunch", "unix")]
    for _ in range(2):
        stubs.jobs.ResumeJob(pb.ResumeJobRequest(job_id="a"))
    assert not wait(stubs, "a", RUNNING).pauses


def test_cancel_ends_a_job_and_tells_who_and_why(
    stubs: Stubs, driver: Scripted
) -> None:
    working(driver)
    create(stubs, job_id="a")
    stubs.jobs.CancelJob(pb.CancelJobRequest(job_id="a", comment="wrong disk"))
    job = finished(stubs, "a")
    assert job.state == job_pb2.JOB_STATE_CANCELLED
    assert job.cancel_comment == "wrong disk"
    assert job.error.code == grpc.StatusCode.CANCELLED.value[0]
    again = stubs.jobs.CancelJob(pb.CancelJobRequest(job_id="a")).job
    assert again.revision == job.revision


def test_a_verb_that_is_not_possible_names_those_that_are(stubs: Stubs) -> None:
    create(stubs, job_id="a")
    finished(stubs, "a")
    told = refusal(lambda: stubs.jobs.PauseJob(pb.PauseJobRequest(job_id="a")))
    assert told.code is grpc.StatusCode.FAILED_PRECONDITION
    assert told.reason == "ACTION_NOT_ALLOWED"
    assert told.info.metadata["state"] == "SUCCEEDED"
    assert told.info.metadata["allowedActions"] == "DISMISS"


def test_a_verb_that_the_kind_does_not_know_is_unsupported(
    stubs: Stubs, driver: Scripted
) -> None:
    working(driver)
    create(stubs, job_id="a")
    told = refusal(lambda: stubs.jobs.CompleteJob(pb.CompleteJobRequest(job_id="a")))
    assert told.code is grpc.StatusCode.UNIMPLEMENTED
    assert told.reason == "ACTION_UNSUPPORTED"


def test_an_old_revision_is_refused(stubs: Stubs, driver: Scripted) -> None:
    working(driver)
    create(stubs, job_id="a")
    now = wait(stubs, "a", RUNNING)
    request = pb.PauseJobRequest(job_id="a", expected_revision=now.revision + 5)
    told = refusal(lambda: stubs.jobs.PauseJob(request))
    assert told.code is grpc.StatusCode.ABORTED
    assert told.reason == "REVISION_MISMATCH"
    assert told.info.metadata["expected"] == str(now.revision + 5)
    assert told.info.metadata["actual"] == str(now.revision)


def test_a_job_is_made_visible_when_asked(stubs: Stubs) -> None:
    create(stubs, job_id="a", options=Options(auto_finalize=False))
    wait(stubs, "a", job_pb2.JOB_STATE_PENDING)
    stubs.jobs.FinalizeJob(pb.FinalizeJobRequest(job_id="a"))
    assert finished(stubs, "a").state == job_pb2.JOB_STATE_SUCCEEDED


def test_dismiss_answers_the_last_job_and_may_meet_nothing(stubs: Stubs) -> None:
    create(stubs, job_id="a")
    finished(stubs, "a")
    assert stubs.jobs.DismissJob(pb.DismissJobRequest(job_id="a")).job.job_id == "a"
    request = pb.DismissJobRequest(job_id="a", allow_missing=True)
    assert not stubs.jobs.DismissJob(request).HasField("job")


def test_an_update_without_a_mask_changes_what_is_set(
    stubs: Stubs, driver: Scripted
) -> None:
    working(driver)
    before = Options(speed_bytes_per_second=1 << 20, priority=3)
    create(stubs, job_id="a", options=before)
    request = pb.UpdateJobRequest(job_id="a", options=Options(priority=7))
    after = stubs.jobs.UpdateJob(request).job.options
    assert (after.priority, after.speed_bytes_per_second) == (7, 1 << 20)


def test_an_update_by_mask_takes_back_what_is_not_set(
    stubs: Stubs, driver: Scripted
) -> None:
    working(driver)
    create(stubs, job_id="a", options=Options(speed_bytes_per_second=1 << 20))
    request = pb.UpdateJobRequest(
        job_id="a",
        options=Options(priority=9),
        update_mask=field_mask_pb2.FieldMask(paths=["speed_bytes_per_second"]),
    )
    after = stubs.jobs.UpdateJob(request).job.options
    assert not after.HasField("speed_bytes_per_second")
    assert after.priority == 0, "the mask does not name it"


def test_a_mask_into_what_is_not_there_makes_nothing(
    stubs: Stubs, driver: Scripted
) -> None:
    working(driver)
    create(stubs, job_id="a")
    request = pb.UpdateJobRequest(
        job_id="a",
        options=Options(),
        update_mask=field_mask_pb2.FieldMask(paths=["auto_dismiss_delay.seconds"]),
    )
    after = stubs.jobs.UpdateJob(request).job.options
    assert not after.HasField("auto_dismiss_delay"), "it would go as soon as it ends"


def test_pages_hold_every_job_once_newest_first(stubs: Stubs) -> None:
    names = [f"job-{n}" for n in range(7)]
    for name in names:
        create(stubs, name, job_id=name)
    seen: list[str] = []
    token = ""
    while True:
        page = stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=3, page_token=token))
        seen += [job.job_id for job in page.jobs]
        token = page.next_page_token
        if not token:
            break
    assert seen == names[::-1]


def test_a_list_is_filtered(stubs: Stubs, driver: Scripted) -> None:
    working(driver, "x")
    create(stubs, "x", job_id="a", labels={"vm": "7"})
    create(stubs, "y", job_id="b", labels={"vm": "7"})
    create(stubs, "z", job_id="c")
    finished(stubs, "b")
    wait(stubs, "a", RUNNING)
    chosen = watch_pb2.JobSelector(labels={"vm": "7"}, job_types=["block.*"])
    found = stubs.jobs.ListJobs(pb.ListJobsRequest(selector=chosen)).jobs
    only = stubs.jobs.ListJobs(pb.ListJobsRequest(selector=chosen, states=[RUNNING]))
    assert {job.job_id for job in found} == {"a", "b"}
    assert [job.job_id for job in only.jobs] == ["a"]


def test_a_group_is_made_as_a_whole_and_listed_by_name(stubs: Stubs) -> None:
    members = [
        pb.JobGroupMember(job_id=name, info=pull(name).info) for name in ("a", "b")
    ]
    request = pb.CreateJobGroupRequest(group_id="g", members=members)
    made = stubs.jobs.CreateJobGroup(request)
    create(stubs, "c", job_id="c")
    chosen = watch_pb2.JobSelector(group_ids=["g"])
    found = stubs.jobs.ListJobs(pb.ListJobsRequest(selector=chosen)).jobs
    assert made.group_id == "g"
    assert [job.job_id for job in made.jobs] == ["a", "b"]
    assert {job.job_id for job in found} == {"a", "b"}
    for name in ("a", "b"):
        assert finished(stubs, name).state == job_pb2.JOB_STATE_SUCCEEDED


def test_a_plan_tells_and_makes_nothing(stubs: Stubs, driver: Scripted) -> None:
    plan = replace(
        Plan(read=10, write=20, zero=30, reflink=40),
        nodes=(node("disk"),),
        cancel_leaves="x",
    )
    driver.script("disk", plan=plan)
    told = stubs.jobs.PlanJob(pb.PlanJobRequest(request=pull())).plan
    assert (told.read_bytes, told.write_bytes, told.zero_bytes) == (10, 20, 30)
    assert (told.reflink_bytes, told.cancel_effect) == (40, "x")
    assert told.queue_position == 0
    assert told.holds[0].node.uri == "file:///images/disk.qcow2"
    assert not stubs.jobs.ListJobs(pb.ListJobsRequest()).jobs


def test_a_plan_under_a_limit_says_how_long_it_takes(
    stubs: Stubs, driver: Scripted
) -> None:
    driver.script("disk", plan=Plan(read=20 * MiB, reflink=10 * MiB))
    request = pull()
    assert not stubs.jobs.PlanJob(pb.PlanJobRequest(request=request)).plan.HasField(
        "estimate"
    )
    request.options.speed_bytes_per_second = 2 * MiB
    told = stubs.jobs.PlanJob(pb.PlanJobRequest(request=request)).plan
    assert told.estimate.low.seconds == told.estimate.high.seconds == 15


def test_a_plan_names_who_is_in_the_way(stubs: Stubs, driver: Scripted) -> None:
    working(driver).begun.is_set()
    script = driver.scripts["/images/disk.qcow2"]
    script.plan = Plan(nodes=script.nodes)
    create(stubs, job_id="a")
    told = stubs.jobs.PlanJob(pb.PlanJobRequest(request=pull())).plan
    assert told.holds[0].conflicts[0].job_id == "a"
    assert not told.HasField("queue_position")
    assert told.obstacles


@pytest.mark.parametrize(
    ("found", "shown"), [({"pid": 77, "command": "qemu"}, (77, "qemu")), ({}, (0, ""))]
)
def test_a_plan_names_the_process_in_the_way(
    stubs: Stubs, driver: Scripted, found: dict[str, Any], shown: tuple[int, str]
) -> None:
    top, base = node("disk"), node("base", reads=True)
    busy = ServiceError(Kind.TARGET_BUSY, "In use", uri=base.uri, **found)
    driver.script("disk", plan=Plan(nodes=(top, base), obstacles=(busy,)))
    told = stubs.jobs.PlanJob(pb.PlanJobRequest(request=pull())).plan
    on_top, on_base = (list(hold.conflicts) for hold in told.holds)
    assert on_top == []
    assert [(one.process.pid, one.process.command) for one in on_base] == [shown]
    assert on_base[0].uri == "file:///images/base.qcow2"
    assert [one.message for one in told.obstacles] == ["In use"]
    assert not told.HasField("queue_position")


def test_a_plan_that_may_lack_space_may_start(stubs: Stubs, driver: Scripted) -> None:
    short = ServiceError(Kind.NO_SPACE, "It may not do")
    driver.script("disk", plan=Plan(nodes=(node("disk"),), obstacles=(short,)))
    told = stubs.jobs.PlanJob(pb.PlanJobRequest(request=pull())).plan
    assert [one.message for one in told.obstacles] == ["It may not do"]
    assert told.HasField("queue_position")


def test_wait_answers_the_job_when_time_is_up(stubs: Stubs, driver: Scripted) -> None:
    working(driver)
    create(stubs, job_id="a")
    request = pb.WaitJobRequest(job_id="a", timeout=seconds(0.01))
    answer = stubs.jobs.WaitJob(request)
    assert not answer.reached
    assert answer.job.job_id == "a"


def test_wait_answers_at_once_what_is_reached(stubs: Stubs, driver: Scripted) -> None:
    working(driver)
    create(stubs, job_id="a")
    assert wait(stubs, "a", RUNNING).state == RUNNING
    assert wait(stubs, "a", RUNNING).state == RUNNING


def test_wait_ends_with_a_newer_revision(stubs: Stubs, driver: Scripted) -> None:
    working(driver)
    create(stubs, job_id="a")
    now = wait(stubs, "a", RUNNING)
    call = stubs.jobs.WaitJob.future(
        pb.WaitJobRequest(job_id="a", after_revision=now.revision)
    )
    stubs.jobs.PauseJob(pb.PauseJobRequest(job_id="a"))
    answer = call.result(PATIENCE)
    assert answer.reached
    assert answer.job.revision > now.revision


def test_wait_for_a_job_that_is_removed_is_not_found(
    stubs: Stubs, driver: Scripted
) -> None:
    steady = working(driver)
    create(stubs, job_id="a", options=Options(auto_dismiss_delay=seconds(0)))
    wait(stubs, "a", RUNNING)
    steady.finish.set()
    # It may be seen at its end, or be gone before it was looked at.
    told = [refusal_or_end(stubs) for _ in range(50)]
    assert told[-1] in ("JOB_NOT_FOUND", "reached")


def refusal_or_end(stubs: Stubs) -> str:
    request = pb.WaitJobRequest(job_id="a", timeout=seconds(5))
    try:
        return "reached" if stubs.jobs.WaitJob(request).reached else "time"
    except grpc.RpcError as error:
        return str(error.code().name).replace("NOT_FOUND", "JOB_NOT_FOUND")


def test_many_waits_for_one_job_end_together(stubs: Stubs, driver: Scripted) -> None:
    steady = working(driver)
    create(stubs, job_id="a")
    calls = [
        stubs.jobs.WaitJob.future(pb.WaitJobRequest(job_id="a")) for _ in range(50)
    ]
    steady.finish.set()
    assert all(call.result(PATIENCE).reached for call in calls)


def test_get_shows_live_progress(stubs: Stubs, driver: Scripted) -> None:
    counted = threading.Event()
    steady = Steady()

    def run(context: object) -> None:
        context.meter.expect(100)  # type: ignore[attr-defined]  # a Context
        context.meter.done(0, 40)  # type: ignore[attr-defined]  # a Context
        counted.set()
        steady(context)  # type: ignore[arg-type]  # a Context

    driver.script("disk", run=run)
    create(stubs, job_id="a")
    assert counted.wait(PATIENCE)
    assert get(stubs, "a").progress.current == 40
    listed = stubs.jobs.ListJobs(pb.ListJobsRequest()).jobs[0]
    assert listed.progress.current == 40
    assert listed.progress.total == 100
