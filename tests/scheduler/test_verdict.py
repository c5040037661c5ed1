"""While a verb that may stop a job is decided, the job begins nothing new."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

from longshored.clock import SystemClock
from longshored.job.model import Holder, Job, Pause, RateLimit, Worker
from longshored.job.states import State
from longshored.scheduler.control import Control
from longshored.scheduler.reports import Reports
from longshored.scheduler.throttle import UNLIMITED, Throttles
from tests.support.clock import MONDAY
from tests.support.drivers import KIND, spec

PATIENCE = 20.0

RUNNING = Job(
    number=1,
    uid="u",
    job_id="j",
    kind=KIND,
    spec=spec("a"),
    create_time=MONDAY,
    state=State.RUNNING,
    worker=Worker("job-1", 1, 1),
)
PAUSED = replace(RUNNING, pauses=(Pause(Holder.USER, "paused", MONDAY, "alice"),))


class SeenClock(SystemClock):
    """Tells that somebody waits."""

    def __init__(self) -> None:
        self.waited = threading.Event()

    def wait(self, wakeup: threading.Event, seconds: float) -> bool:
        self.waited.set()
        return super().wait(wakeup, seconds)


def control(clock: SeenClock, limit: RateLimit = UNLIMITED) -> Control:
    return Control(
        RUNNING,
        saved=None,
        throttle=Throttles(limit, UNLIMITED).join(RUNNING),
        reports=cast(Reports, None),  # asked for nothing here
        clock=clock,
        fail_point=lambda _: None,
    )


def test_a_request_goes_on_if_the_verb_was_refused() -> None:
    clock = SeenClock()
    job = control(clock)
    with ThreadPoolExecutor(1) as pool:
        with job.awaiting_verdict():
            request = pool.submit(job.proceed, 4096)
            assert clock.waited.wait(PATIENCE)
            assert not request.done()
        assert request.result(PATIENCE)


def test_a_request_does_not_happen_if_the_job_was_paused() -> None:
    clock = SeenClock()
    job = control(clock)
    with ThreadPoolExecutor(1) as pool, job.awaiting_verdict():
        request = pool.submit(job.proceed, 4096)
        assert clock.waited.wait(PATIENCE)
        job.tell(PAUSED)
        assert not request.result(PATIENCE)


def test_a_request_under_a_limit_waits_too() -> None:
    clock = SeenClock()
    job = control(clock, RateLimit(speed_bytes_per_second=1 << 40))
    with ThreadPoolExecutor(1) as pool:
        with job.awaiting_verdict():
            request = pool.submit(job.proceed, 4096)
            assert clock.waited.wait(PATIENCE)
            assert not request.done()
        assert request.result(PATIENCE)
