"""The hierarchy of limits: who is slowest, who shares, what changes live."""

import threading
from dataclasses import replace

from longshored.drivers.base import Context
from longshored.job.model import Group, Job, Options, RateLimit
from longshored.job.progress import LimitedBy
from longshored.job.states import State, Verb
from longshored.scheduler.throttle import UNLIMITED, Throttle, Throttles
from longshored.units import KiB, MiB
from tests.scheduler.house import ALICE, House
from tests.support.clock import MONDAY
from tests.support.drivers import KIND, Scripted, node, spec

S = State


def job(
    number: int, own: int | None = None, device: str = "8:0", group: int | None = None
) -> Job:
    return Job(
        number=number,
        uid="u",
        job_id=f"j{number}",
        kind=KIND,
        spec=spec("a"),
        create_time=MONDAY,
        nodes=(node("a", device=device),),
        options=Options(rate=RateLimit(speed_bytes_per_second=own)),
        group=Group("g", RateLimit(speed_bytes_per_second=group)) if group else None,
    )


def limits(daemon: int | None = None, device: int | None = None) -> Throttles:
    return Throttles(
        RateLimit(speed_bytes_per_second=daemon),
        RateLimit(speed_bytes_per_second=device),
    )


def limited_by(throttle: Throttle) -> LimitedBy:
    """Which level a megabyte waits for, after one that used up every burst."""
    throttle.book(MiB, 0.0)
    return throttle.delay(throttle.book(MiB, 0.0), 0.0).level


def test_the_slowest_level_is_the_one_that_is_named() -> None:
    cases = {
        LimitedBy.DAEMON: (1000, 2000, 2000),
        LimitedBy.DEVICE: (2000, 1000, 2000),
        LimitedBy.JOB_RATE: (2000, 2000, 1000),
    }
    for level, (daemon, device, own) in cases.items():
        throttle = limits(daemon, device).join(job(1, own))
        assert limited_by(throttle) is level


def test_a_group_shares_its_limit() -> None:
    throttles = limits()
    one, other = (throttles.join(job(n, group=1000)) for n in (1, 2))
    one.book(MiB, 0.0)
    delay = other.delay(other.book(1, 0.0), 0.0)
    assert delay.level is LimitedBy.GROUP
    assert delay.seconds > 1000


def test_devices_have_limits_of_their_own() -> None:
    throttles = limits(device=1000)
    one = throttles.join(job(1, device="8:0"))
    other = throttles.join(job(2, device="8:16"))
    one.book(MiB, 0.0)
    other.book(4, 0.0)
    assert other.delay(other.book(0, 1.0), 1.0).seconds == 0


def test_operations_are_limited_as_bytes_are() -> None:
    throttles = Throttles(RateLimit(iops=10, burst_operations=1), UNLIMITED)
    throttle = throttles.join(job(1))
    for _ in range(5):
        booking = throttle.book(1, 0.0)
    assert 0.3 < throttle.delay(booking, 0.0).seconds < 0.6


def test_a_place_given_back_is_free_for_others() -> None:
    throttle = limits().join(job(1, own=1000))
    throttle.refund(throttle.book(MiB, 0.0))
    assert throttle.delay(throttle.book(4, 0.0), 0.0).seconds < 0.1


def test_without_any_limit_nothing_is_booked() -> None:
    throttle = limits().join(job(1))
    assert throttle.is_open
    assert throttle.book(MiB, 0.0) == ()
    assert throttle.chunk(8 * MiB) == MiB


def test_chunks_follow_the_slowest_limit() -> None:
    assert limits(daemon=MiB).join(job(1)).chunk(MiB) <= 8 * KiB


def test_a_limit_may_come_and_go() -> None:
    throttle = limits().join(job(1))
    throttle.follow(job(1, own=10), 0.0)
    assert not throttle.is_open
    throttle.follow(job(1), 0.0)
    assert throttle.is_open


def test_a_limit_told_again_keeps_who_waits_waiting() -> None:
    throttle = limits().join(job(1, own=1000))
    booking = throttle.book(MiB, 0.0)
    before = throttle.delay(booking, 0.0)
    throttle.follow(job(1, own=1000), 0.0)
    assert throttle.delay(booking, 0.0) == before


def test_a_limit_of_the_daemon_or_a_device_begins_under_running_jobs() -> None:
    throttles = limits()
    throttle = throttles.join(job(1))
    throttles.limit_device("8:0", RateLimit(speed_bytes_per_second=1000), 0.0)
    assert limited_by(throttle) is LimitedBy.DEVICE
    throttles.limit_daemon(RateLimit(speed_bytes_per_second=10), 0.0)
    assert limited_by(throttle) is LimitedBy.DAEMON
    throttles.limit_daemon(UNLIMITED, 0.0)
    throttles.limit_device("8:0", UNLIMITED, 0.0)
    assert throttle.is_open


def test_what_waits_under_a_limit_goes_when_it_is_taken_away() -> None:
    throttles = limits(daemon=1000)
    throttle = throttles.join(job(1))
    booking = throttle.book(MiB, 0.0)
    assert throttle.delay(booking, 0.0).seconds > 100
    throttles.limit_daemon(UNLIMITED, 0.0)
    assert throttle.delay(booking, 0.0).seconds == 0


def test_the_members_of_a_group_follow_one_change() -> None:
    throttles = limits()
    one, other = (throttles.join(job(n, group=1000)) for n in (1, 2))
    one.follow(job(1, group=4000), 0.0)
    other.book(MiB, 0.0)
    assert 200 < other.delay(other.book(1, 0.0), 0.0).seconds < 300


def test_a_request_that_does_not_wait_is_limited_by_nothing() -> None:
    saved = RateLimit(speed_bytes_per_second=1000, burst_bytes=1000)
    throttle = Throttles(saved, UNLIMITED).join(job(1))
    throttle.book(0, 0.0)
    assert throttle.delay(throttle.book(1, 1.0), 1.0).level is LimitedBy.NOTHING


def trickle(passed: threading.Event, began: threading.Event) -> object:
    """A run that asks for what its limit allows in a thousand years."""

    def run(context: Context) -> None:
        began.set()
        while not context.proceed(MiB) or not context.proceed(MiB):
            context.checkpoint()
        passed.set()

    return run


def test_a_raised_limit_wakes_who_waits_under_the_old_one(
    house: House, driver: Scripted
) -> None:
    passed, began = threading.Event(), threading.Event()
    driver.script("a", run=trickle(passed, began))
    slow = house.create("a", rate=RateLimit(speed_bytes_per_second=1))
    assert began.wait(20)
    house.scheduler.update(
        slow.job_id, lambda options: replace(options, rate=UNLIMITED), ALICE
    )
    assert passed.wait(20)
    house.wait(slow, S.SUCCEEDED)


def test_a_cancel_wakes_who_waits_under_a_trickle(
    house: House, driver: Scripted
) -> None:
    passed, began = threading.Event(), threading.Event()
    driver.script("a", run=trickle(passed, began))
    slow = house.create("a", rate=RateLimit(speed_bytes_per_second=1))
    assert began.wait(20)
    house.apply(Verb.CANCEL, slow)
    house.wait(slow, S.CANCELLED)
    assert not passed.is_set()


def test_a_pause_wakes_who_waits_under_a_trickle(
    house: House, driver: Scripted
) -> None:
    passed, began = threading.Event(), threading.Event()
    driver.script("a", run=trickle(passed, began))
    slow = house.create("a", rate=RateLimit(speed_bytes_per_second=1))
    assert began.wait(20)
    house.apply(Verb.PAUSE, slow)
    house.wait(slow, S.PAUSED)
    house.apply(Verb.CANCEL, slow)
    house.wait(slow, S.CANCELLED)
