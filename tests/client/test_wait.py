"""Waiting: to the end, for a state, no longer than asked; across restarts."""

import threading
from collections.abc import Callable, Generator
from typing import Any

import pytest

from longshore import (
    Client,
    ConnectionFailed,
    DeadlineExceeded,
    JobCancelled,
    JobFailed,
    LongshoreError,
    NotFound,
)
from longshore.steps import (
    UNREACHABLE_SECONDS,
    WAIT_SECONDS,
    Call,
    Sleep,
    Wait,
    wait,
)
from longshore.v1 import job_pb2, job_service_pb2
from tests.support.fakeserver import FakeServer, Lost
from tests.support.refusals import Code, Refusal

Step = Call | Sleep


class Driver:
    """Drives the plan of a wait with a clock of its own."""

    def __init__(self, wish: Wait) -> None:
        self.time = 0.0
        self.asked: list[float] = []
        self.slept: list[float] = []
        self._plan: Generator[Step, Any, job_pb2.Job] = wait(wish, lambda: self.time)
        self._step: Step = next(self._plan)

    def call(self) -> float:
        """Go on to the next call; for how long it asks."""
        while isinstance(self._step, Sleep):
            assert self._step.seconds >= 0
            self.time += self._step.seconds
            self.slept.append(self._step.seconds)
            self._step = self._plan.send(None)
        request = self._step.request
        assert isinstance(request, job_service_pb2.WaitJobRequest)
        self.asked.append(request.timeout.ToTimedelta().total_seconds())
        return self.asked[-1]

    def answer(self, after: float, *, reached: bool = False, **job: Any) -> None:
        self.call()
        self.time += after
        found = job_pb2.Job(job_id="a", **job)
        response = job_service_pb2.WaitJobResponse(job=found, reached=reached)
        self._step = self._plan.send(response)

    def repeat(self, step: Callable[[], None]) -> None:
        for _ in range(1000):
            step()

    def fail(self, error: LongshoreError, after: float = 0.0) -> None:
        self.call()
        self.time += after
        self._step = self._plan.throw(error)


def test_a_wait_asks_again_until_the_end() -> None:
    driver = Driver(Wait("a"))
    driver.answer(WAIT_SECONDS)
    driver.answer(WAIT_SECONDS)
    with pytest.raises(StopIteration) as end:
        driver.answer(1, reached=True, state=job_pb2.JOB_STATE_SUCCEEDED)
    assert end.value.value.state == job_pb2.JOB_STATE_SUCCEEDED
    assert driver.asked == [WAIT_SECONDS] * 3


def test_a_wait_asks_only_for_the_time_that_is_left() -> None:
    driver = Driver(Wait("a", timeout=40))
    driver.answer(WAIT_SECONDS)
    with pytest.raises(TimeoutError):
        driver.answer(10)
    assert driver.asked == [WAIT_SECONDS, 10]


def test_a_broken_line_does_not_lengthen_a_wait() -> None:
    driver = Driver(Wait("a", timeout=20))
    driver.fail(ConnectionFailed(), after=19)
    assert driver.call() <= 1
    with pytest.raises(TimeoutError):
        driver.fail(ConnectionFailed(), after=1)


def test_a_wait_lasts_over_a_restart() -> None:
    driver = Driver(Wait("a"))
    while driver.time < UNREACHABLE_SECONDS / 2:
        driver.fail(ConnectionFailed())
    with pytest.raises(StopIteration):
        driver.answer(0, reached=True)


def test_a_daemon_that_stays_away_ends_a_wait() -> None:
    driver = Driver(Wait("a"))
    with pytest.raises(ConnectionFailed):
        driver.repeat(lambda: driver.fail(ConnectionFailed()))
    assert UNREACHABLE_SECONDS <= driver.time < UNREACHABLE_SECONDS + 2


def test_a_daemon_that_hangs_is_asked_again() -> None:
    driver = Driver(Wait("a"))
    driver.fail(DeadlineExceeded(), after=35)
    with pytest.raises(StopIteration):
        driver.answer(0, reached=True)


def test_early_answers_do_not_make_a_wait_spin() -> None:
    driver = Driver(Wait("a", timeout=10))
    with pytest.raises(TimeoutError):
        driver.repeat(lambda: driver.answer(0))
    assert len(driver.asked) <= 110


def test_a_wait_returns_the_job_that_has_succeeded(
    client: Client, server: FakeServer
) -> None:
    server.put("a", "SUCCEEDED")
    handle = client.job("a")
    assert handle.wait().state == job_pb2.JOB_STATE_SUCCEEDED
    assert handle.job is not None


def test_a_wait_is_woken_by_the_end(client: Client, server: FakeServer) -> None:
    server.put("a")

    def end() -> None:
        server.wait_for(lambda fake: bool(fake.called("WaitJob")))
        server.put("a", "SUCCEEDED")

    thread = threading.Thread(target=end)
    thread.start()
    assert client.job("a").wait().state == job_pb2.JOB_STATE_SUCCEEDED
    thread.join()


def test_a_failed_job_is_raised_with_the_job(
    client: Client, server: FakeServer
) -> None:
    error = Refusal(Code.DATA_LOSS, "IO_ERROR", "Cannot read").status()
    server.put("a", "FAILED", error=error)
    with pytest.raises(JobFailed, match="Cannot read") as caught:
        client.job("a").wait()
    assert caught.value.job.job_id == "a"
    assert caught.value.reason == "IO_ERROR"


def test_a_cancelled_job_is_raised_as_such(client: Client, server: FakeServer) -> None:
    server.put("a", "CANCELLED")
    with pytest.raises(JobCancelled):
        client.job("a").wait()


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_nothing_is_raised_for_who_does_not_want_it(
    client: Client, server: FakeServer, state: str
) -> None:
    server.put("a", state)
    assert client.job("a").wait(raise_on_failure=False).HasField("end_time")


def test_a_failure_that_was_waited_for_is_not_raised(
    client: Client, server: FakeServer
) -> None:
    server.put("a", "FAILED")
    job = client.job("a").wait(states=[job_pb2.JOB_STATE_FAILED])
    assert job.state == job_pb2.JOB_STATE_FAILED


def test_a_wait_for_a_state_ends_there(client: Client, server: FakeServer) -> None:
    server.put("a", "PAUSED")
    job = client.job("a").wait(states=[job_pb2.JOB_STATE_PAUSED])
    assert job.state == job_pb2.JOB_STATE_PAUSED


def test_a_wait_that_times_out_cancels_nothing(
    client: Client, server: FakeServer
) -> None:
    server.put("a")
    with pytest.raises(TimeoutError, match="goes on"):
        client.job("a").wait(timeout=0.01)
    assert server.called("CancelJob") == []


def test_a_wait_for_no_time_looks_once(client: Client, server: FakeServer) -> None:
    server.put("a")
    with pytest.raises(TimeoutError):
        client.job("a").wait(timeout=0)
    assert len(server.called("WaitJob")) == 1


def test_a_wait_for_a_job_that_is_not_there_is_an_error(
    client: Client, server: FakeServer
) -> None:
    with pytest.raises(NotFound):
        client.job("a").wait()


def test_a_wait_survives_lost_answers(client: Client, server: FakeServer) -> None:
    server.put("a", "SUCCEEDED")
    server.fail("WaitJob", Lost(), Refusal(Code.UNAVAILABLE, "SERVER_STOPPING"))
    assert client.job("a").wait().HasField("end_time")


def test_a_cancel_that_waits_returns_the_end_whatever_it_is(
    client: Client, server: FakeServer
) -> None:
    server.put("a", "SUCCEEDED")
    job = client.job("a").cancel("enough", wait=True)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert server.called("CancelJob")[0].comment == "enough"
