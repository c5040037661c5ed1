"""When a job is busy: a worker is at it, not merely its own."""

from dataclasses import replace

import pytest

from longshore.v1 import job_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.job import life
from longshored.job.states import State
from longshored.service.translate_job import job_to_proto
from tests.job.jobs import ASK, NOW, in_state
from tests.support.calls import create, finished, from_now, pull, wait, watching
from tests.support.daemon import Stubs
from tests.support.drivers import Gate, Scripted, Steady

S = State

AT_WORK = {S.RUNNING, S.READY, S.ABORTING}


@pytest.mark.parametrize("state", State)
def test_a_job_is_busy_where_its_worker_works(state: State) -> None:
    assert job_to_proto(in_state(state)).busy == (state in AT_WORK)


def test_a_job_is_busy_while_it_is_finalised() -> None:
    assert job_to_proto(life.finalize(in_state(S.PENDING), ASK)).busy


@pytest.mark.parametrize("state", [S.ABORTING, S.QUEUED])
def test_after_a_restart_a_job_is_not_busy_until_a_worker_takes_it(
    state: State,
) -> None:
    assert not job_to_proto(life.adopt(in_state(state), NOW)).busy


def test_a_cancel_that_lost_to_the_finalising_leaves_it_busy() -> None:
    finalizing = life.finalize(in_state(S.PENDING), ASK)
    assert job_to_proto(life.cancel(finalizing, replace(ASK, comment="late"))).busy


def test_a_watcher_sees_a_job_at_work_parked_at_work_and_at_rest(
    stubs: Stubs, driver: Scripted
) -> None:
    steady, gate = Steady(), Gate()
    driver.script("disk", run=steady, prepare=gate)
    with watching(stubs, from_now=from_now()) as watch:
        watch.next()
        create(stubs, job_id="a")
        assert steady.begun.wait(20)
        stubs.jobs.PauseJob(pb.PauseJobRequest(job_id="a"))
        wait(stubs, "a", job_pb2.JOB_STATE_PAUSED)
        stubs.jobs.ResumeJob(pb.ResumeJobRequest(job_id="a"))
        steady.finish.set()
        assert gate.reached.wait(20)
        preparing = stubs.jobs.GetJob(pb.GetJobRequest(job_id="a")).job
        gate.open.set()
        finished(stubs, "a")
        events = watch.events_until(lambda event: event.job.HasField("end_time"))
    seen = {(event.job.state, event.job.busy) for event in events}
    assert (job_pb2.JOB_STATE_RUNNING, True) in seen
    assert (job_pb2.JOB_STATE_PAUSED, False) in seen
    assert (job_pb2.JOB_STATE_SUCCEEDED, False) in seen
    assert (preparing.state, preparing.busy) == (job_pb2.JOB_STATE_PENDING, True)


def test_a_queued_job_is_not_busy(stubs: Stubs, driver: Scripted) -> None:
    steady = Steady()
    driver.script("disk", run=steady)
    create(stubs, job_id="a")
    request = pull(job_id="b", on_conflict=pb.ON_CONFLICT_QUEUE)
    assert not stubs.jobs.CreateJob(request).job.busy
    steady.finish.set()
    finished(stubs, "b")
