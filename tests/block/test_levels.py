"""Daemon, device, group and job: the tightest level decides, and is named."""

import threading

import pytest

from longshored.block.levels import GO, Level, Levels, Rates, Scope
from longshored.block.turnstile import Turnstile
from longshored.units import KiB, MiB


def levels(*pairs: tuple[Scope, Rates]) -> Levels:
    return Levels(tuple(Level(scope, rates) for scope, rates in pairs))


class FakeTime:
    """A clock that only waiting moves on."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def read(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def turnstile(levels: Levels, time: FakeTime) -> Turnstile:
    return Turnstile(levels, threading.Lock(), time.read, time.wait)


def test_without_limits_nothing_waits() -> None:
    free = levels((Scope.DAEMON, Rates()), (Scope.JOB, Rates()))
    assert free.delay(free.book(1 << 40, 0.0), 0.0) == GO


def test_the_slowest_level_is_named() -> None:
    both = levels((Scope.DAEMON, Rates(1000)), (Scope.JOB, Rates(100)))
    delay = both.delay(both.book(100, 0.0), 0.0)
    assert (delay.seconds, delay.limited_by) == (1.0, Scope.JOB)


def test_operations_are_limited_beside_bytes() -> None:
    few = levels((Scope.DEVICE, Rates(operations_per_second=2)))
    few.book(1, 0.0)
    delay = few.delay(few.book(1, 0.0), 0.0)
    assert (delay.seconds, delay.limited_by) == (1.0, Scope.DEVICE)


def test_a_saved_up_operation_goes_at_once() -> None:
    few = levels((Scope.DEVICE, Rates(operations_per_second=2)))
    few.book(0, 0.0)
    assert few.delay(few.book(0, 10.0), 10.0) == GO


def test_two_jobs_share_what_the_daemon_has() -> None:
    daemon = Level(Scope.DAEMON, Rates(1000))
    one = Levels((daemon, Level(Scope.JOB)))
    two = Levels((daemon, Level(Scope.JOB)))
    one.book(500, 0.0)
    delay = two.delay(two.book(500, 0.0), 0.0)
    assert (delay.seconds, delay.limited_by) == (1.0, Scope.DAEMON)


def test_limits_change_while_a_request_waits() -> None:
    job = Level(Scope.JOB, Rates(10))
    only = Levels((job,))
    booking = only.book(100, 0.0)
    job.set(Rates(1000), 0.0)
    assert only.delay(booking, 0.0).seconds == pytest.approx(0.1)


def test_the_request_size_follows_the_tightest_level() -> None:
    both = levels((Scope.DAEMON, Rates(100e6)), (Scope.JOB, Rates(1e6)))
    assert both.chunk_size() == 4 * KiB
    assert Levels(()).chunk_size() == 1 * MiB


def test_a_turnstile_waits_as_long_as_the_levels_say() -> None:
    time = FakeTime()
    gate = turnstile(levels((Scope.JOB, Rates(1000))), time)
    for _ in range(10):
        gate.enter(100)
    assert time.now == pytest.approx(1.0)
    assert len(time.waits) == 10


def test_a_turnstile_sleeps_outside_the_lock() -> None:
    time, lock = FakeTime(), threading.Lock()

    def wait(seconds: float) -> None:
        assert not lock.locked()
        time.wait(seconds)

    only = levels((Scope.JOB, Rates(1000)))
    Turnstile(only, lock, time.read, wait).enter(100)
    assert time.waits == [0.1]


def test_a_wait_that_ends_early_asks_again() -> None:
    time, job = FakeTime(), Level(Scope.JOB, Rates(1))
    seen: list[float] = []

    def woken_by_a_new_rate(seconds: float) -> None:
        seen.append(seconds)
        if len(seen) == 1:
            job.set(Rates(1000), time.now)
        else:
            time.wait(seconds)

    Turnstile(Levels((job,)), threading.Lock(), time.read, woken_by_a_new_rate).enter(
        100
    )
    assert seen == pytest.approx([100.0, 0.1])


def test_a_cancelled_wait_gives_its_place_back() -> None:
    only = levels((Scope.JOB, Rates(100)))

    def cancelled(seconds: float) -> None:
        raise InterruptedError

    gate = Turnstile(only, threading.Lock(), lambda: 0.0, cancelled)
    with pytest.raises(InterruptedError):
        gate.enter(1000)
    assert only.delay(only.book(100, 0.0), 0.0).seconds == pytest.approx(1.0)


def test_a_turnstile_shows_what_limits_it() -> None:
    time = FakeTime()
    seen: list[Scope | None] = []

    def wait(seconds: float) -> None:
        seen.append(gate.last_delay.limited_by)
        time.wait(seconds)

    only = levels((Scope.GROUP, Rates(1000)))
    gate = Turnstile(only, threading.Lock(), time.read, wait)
    gate.enter(100)
    assert seen == [Scope.GROUP]
    assert gate.last_delay == GO
