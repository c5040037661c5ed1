"""kill -9 at every named step, first, second and third time: nothing is lost.

The list of steps is the daemon's own, so a new one is tested from its first day;
a step that no workload reaches fails here.
"""

from contextlib import suppress

import pytest

from longshore.errors import WrongState
from longshore.v1 import job_pb2, job_service_pb2
from longshored.app.backend import FAIL_POINTS
from longshored.scheduler.failpoints import VARIABLE
from longshored.units import KiB
from tests.faults.rig import KILLED, Rig, none
from tests.faults.workload import say

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

SHAPES = ("tiny", "tiny-snapshot", "tiny-keeps")

# So slow that a job is still at work when it is paused or cancelled.
SLOW = 256 * KiB

# Only some pulls free anything.
RARE = {"publish.freed"}
PAUSES = {"job.parking"}
CANCELS = {"job.aborted", "job.unwound"}
# Reached once in the life of a daemon: it dies of them several times in a row.
AT_START = {"recover.adopting", "recover.adopted"}
AT_STOP = {"drain.stopping"}

STEPS = set(FAIL_POINTS) - PAUSES - CANCELS - AT_START - AT_STOP

hits = pytest.mark.parametrize("hit", [1, 2, 3])


@pytest.mark.parametrize("step", sorted(STEPS))
@hits
def test_a_pull_goes_on_after_a_kill_at_any_step(rig: Rig, step: str, hit: int) -> None:
    rig.want(SHAPES * (2 if step in RARE else 1))
    rig.start(f"{step}=kill@{hit}")
    rig.send()
    rig.must_die()
    rig.finish_well()


@pytest.mark.parametrize("step", sorted(PAUSES))
@hits
def test_a_pull_that_was_being_paused_ends_well(rig: Rig, step: str, hit: int) -> None:
    rig.want(SHAPES, SLOW)
    rig.start(f"{step}=kill@{hit}")
    assert rig.send()
    rig.wait_running()
    with rig.daemon.client() as client:
        say(client, "PauseJob", requests(job_service_pb2.PauseJobRequest, rig))
    rig.must_die()
    rig.start()
    with rig.daemon.client() as client:
        assert say(client, "ResumeJob", requests(job_service_pb2.ResumeJobRequest, rig))
    unlimit(rig)
    rig.finish_well()


@pytest.mark.parametrize("step", sorted(CANCELS))
@hits
def test_a_pull_that_was_being_unwound_ends_cancelled_and_can_be_pulled_again(
    rig: Rig, step: str, hit: int
) -> None:
    rig.want(SHAPES, SLOW)
    rig.start(f"{step}=kill@{hit}")
    assert rig.send()
    rig.wait_running()
    cancels = requests(job_service_pb2.CancelJobRequest, rig)
    with rig.daemon.client() as client:
        say(client, "CancelJob", cancels)
    rig.must_die()
    rig.start()
    with rig.daemon.client() as client:
        assert say(client, "CancelJob", cancels)
    jobs = rig.finish()
    assert {job.state for job in jobs} == {job_pb2.JOB_STATE_CANCELLED}
    none(rig.violations())
    for one in list(rig.ledger.asked):
        rig.ledger.asked.remove(one)
        rig.ledger.want(one.chain)
    rig.daemon.place.state.rename(rig.daemon.place.directory / "old state")
    rig.finish_well()


@pytest.mark.parametrize("step", sorted(AT_START))
@hits
def test_a_pull_goes_on_after_a_daemon_that_died_while_starting(
    rig: Rig, step: str, hit: int
) -> None:
    rig.want(SHAPES, SLOW)
    rig.start()
    assert rig.send()
    rig.wait_running()
    rig.daemon.kill()
    for _ in range(hit):
        rig.daemon.launch(**{VARIABLE: f"{step}=kill"})
        rig.must_die()
    rig.start()
    unlimit(rig)
    rig.finish_well()


@pytest.mark.parametrize("step", sorted(AT_STOP))
@hits
def test_a_pull_goes_on_after_a_daemon_that_died_while_stopping(
    rig: Rig, step: str, hit: int
) -> None:
    rig.want(SHAPES, SLOW)
    for _ in range(hit):
        rig.start(f"{step}=kill")
        assert rig.send()
        rig.wait_running()
        assert rig.daemon.stop() == KILLED
        none(rig.violations())
    rig.start()
    unlimit(rig)
    rig.finish_well()


def test_every_step_of_the_daemon_is_in_one_of_these_tests() -> None:
    assert set(FAIL_POINTS) == STEPS | PAUSES | CANCELS | AT_START | AT_STOP


def requests(kind: type, rig: Rig) -> list[object]:
    return [kind(job_id=name) for name in rig.ledger.acknowledged()]


def unlimit(rig: Rig) -> None:
    with rig.daemon.client() as client:
        for name in rig.ledger.acknowledged():
            with suppress(WrongState):  # it has ended already
                client.job(name).set_speed(None)
