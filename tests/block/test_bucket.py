"""The limiter against a clock that the test holds: rate, windows, order, change."""

import heapq
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshored.block.bucket import Bucket, chunk_size
from longshored.units import KiB, MiB

RATES = [1e6, 10e6, 100e6, 1e9]
Event = tuple[float, int]
"""When a request went, and its bytes."""


def run(
    bucket: Bucket,
    *,
    seconds: float,
    begin: float = 0.0,
    threads: int = 1,
    late: float = 0.0005,
    stall: float = 0.0,
    seed: int = 1,
    change: Callable[[float], None] = lambda now: None,
) -> list[Event]:
    """Threads that always have one more request; each wakes up to `late` too late.

    At the beginning of each second nothing at all runs for the time of `stall`.
    """
    chance = random.Random(seed)
    events: list[Event] = []
    # (time, thread, its ticket or None if it has to book, length)
    line: list[tuple[float, int, int | None, int]]
    line = [(begin, thread, None, 0) for thread in range(threads)]
    while line:
        now, thread, ticket, length = heapq.heappop(line)
        if now >= seconds:
            continue
        change(now)
        if ticket is None:
            length = chunk_size(bucket.rate)
            ticket = bucket.book(length, now)
        wait = bucket.wait(ticket, now)
        if wait:
            wake = now + wait + chance.random() * late
            wake = max(wake, wake // 1 + stall)
            heapq.heappush(line, (wake, thread, ticket, length))
        else:
            events.append((now, length))
            work = chance.random() * length / 4e9
            heapq.heappush(line, (now + work, thread, None, 0))
    return events


def fullest_window(events: list[Event], width: float) -> int:
    most = inside = first = 0
    for now, length in events:
        inside += length
        while events[first][0] <= now - width:
            inside -= events[first][1]
            first += 1
        most = max(most, inside)
    return most


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("rate", RATES)
def test_over_ten_seconds_the_rate_is_kept(rate: float, threads: int) -> None:
    moved = sum(length for _, length in run(Bucket(rate), seconds=10, threads=threads))
    assert moved == pytest.approx(rate * 10, rel=0.005)


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("rate", RATES)
def test_no_tenth_of_a_second_has_more_than_its_share(
    rate: float, threads: int
) -> None:
    events = run(Bucket(rate), seconds=3, threads=threads)
    assert fullest_window(events, 0.1) <= rate * 0.1 * 1.1


@settings(max_examples=30, deadline=None)
@given(
    rate=st.floats(1e6, 1e8),
    threads=st.integers(1, 8),
    seed=st.integers(0, 1 << 30),
)
def test_rate_and_window_hold_for_any_interleaving(
    rate: float, threads: int, seed: int
) -> None:
    events = run(Bucket(rate), seconds=2, threads=threads, seed=seed)
    moved = sum(length for _, length in events)
    assert moved <= rate * 2 * 1.005
    assert moved >= rate * 2 * 0.99 - threads * chunk_size(rate)
    assert fullest_window(events, 0.1) <= rate * 0.1 * 1.1


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("rate", RATES)
def test_threads_that_stall_together_catch_up_without_a_burst(
    rate: float, threads: int
) -> None:
    events = run(Bucket(rate), seconds=9.99, threads=threads, stall=0.02)
    moved = sum(length for _, length in events)
    assert moved == pytest.approx(rate * 9.99, rel=0.005)
    assert fullest_window(events, 0.1) <= rate * 0.1 * 1.1


def test_a_new_rate_counts_from_the_moment_it_is_set() -> None:
    bucket = Bucket(1e6)

    def change(now: float) -> None:
        if now >= 5 and bucket.rate == 1e6:
            bucket.set(20e6, None, now)

    events = run(bucket, seconds=10, threads=4, change=change)
    before = sum(length for now, length in events if now < 5)
    after = sum(length for now, length in events if now >= 5)
    assert before == pytest.approx(5e6, rel=0.01)
    assert after == pytest.approx(100e6, rel=0.01)


def test_a_first_request_pays_before_it_goes() -> None:
    bucket = Bucket(1000)
    assert bucket.wait(bucket.book(500, 0.0), 0.0) == 0.5


def test_requests_go_in_the_order_in_which_they_booked() -> None:
    bucket = Bucket(1000)
    tickets = [bucket.book(100, 0.0) for _ in range(3)]
    waits = [bucket.wait(ticket, 0.0) for ticket in reversed(tickets)]
    assert waits == pytest.approx([0.3, 0.2, 0.1])


def test_a_raised_rate_shortens_the_wait_of_a_ticket_already_out() -> None:
    bucket = Bucket(10)
    ticket = bucket.book(1000, 0.0)
    bucket.set(1000, None, 10.0)  # 100 of 1000 bytes are earned by now
    assert bucket.wait(ticket, 10.0) == pytest.approx(0.9)


def test_a_lowered_rate_lengthens_it() -> None:
    bucket = Bucket(1000)
    ticket = bucket.book(1000, 0.0)
    bucket.set(10, None, 0.5)
    assert bucket.wait(ticket, 0.5) == pytest.approx(50)


def test_a_limit_that_is_lifted_lets_all_go() -> None:
    bucket = Bucket(1)
    ticket = bucket.book(1 << 40, 0.0)
    bucket.set(None, None, 1.0)
    assert bucket.wait(ticket, 1.0) == 0.0


def test_unlimited_bytes_do_not_count_against_a_later_limit() -> None:
    bucket = Bucket()
    bucket.book(1 << 40, 0.0)
    bucket.set(1000, None, 1.0)
    assert bucket.wait(bucket.book(100, 1.0), 1.0) == pytest.approx(0.1)


def test_an_idle_bucket_saves_its_burst_and_no_more() -> None:
    bucket = Bucket(1000, burst=300)
    bucket.book(0, 0.0)
    assert bucket.wait(bucket.book(300, 100.0), 100.0) == 0.0
    assert bucket.wait(bucket.book(100, 100.0), 100.0) == pytest.approx(0.1)


def test_idle_time_is_not_made_good_later() -> None:
    bucket = Bucket(1e6)
    assert bucket.wait(bucket.book(4096, 0.0), 0.0042) == 0.0
    events = run(bucket, seconds=110, begin=100, threads=4)
    assert sum(length for _, length in events) == pytest.approx(10e6, rel=0.005)


def test_a_slow_request_is_not_paid_for_twice() -> None:
    bucket, now, moved = Bucket(1e6), 0.0, 0
    while now < 10:
        ticket = bucket.book(4096, now)
        now += bucket.wait(ticket, now)
        assert bucket.wait(ticket, now) == 0.0
        moved += 4096
        now += 0.0035  # the request itself takes most of its time
    assert moved == pytest.approx(10e6, rel=0.005)


def test_a_refund_moves_those_behind_up() -> None:
    bucket = Bucket(1000)
    first = bucket.book(500, 0.0)
    ticket = bucket.book(100, 0.0)
    bucket.refund(first, 500)
    assert bucket.wait(ticket, 0.0) == pytest.approx(0.1)


def test_a_refund_after_it_went_leaves_the_next_in_peace() -> None:
    bucket = Bucket(1000)
    ticket = bucket.book(100, 0.0)
    assert bucket.wait(ticket, 0.1) == 0.0
    bucket.refund(ticket, 100)
    assert bucket.wait(bucket.book(100, 0.1), 0.1) == 0.0


def test_a_ticket_that_went_may_ask_again() -> None:
    bucket = Bucket(1000)
    ticket = bucket.book(100, 0.0)
    assert bucket.wait(ticket, 0.1) == 0.0
    bucket.book(1000, 0.1)
    assert bucket.wait(ticket, 0.1) == 0.0


def test_a_clock_that_steps_back_earns_nothing_twice() -> None:
    bucket = Bucket(1000)
    ticket = bucket.book(1000, 10.0)
    assert bucket.wait(ticket, 10.5) == pytest.approx(0.5)
    assert bucket.wait(ticket, 10.0) == pytest.approx(0.5)
    assert bucket.wait(ticket, 10.5) == pytest.approx(0.5)


def test_waiting_exactly_as_told_is_enough_even_after_petabytes() -> None:
    bucket = Bucket(333_333.3)
    bucket.refund(bucket.book(1 << 60, 0.0), 1 << 60)
    now = 1e6
    for _ in range(1000):
        ticket = bucket.book(4096, now)
        now += bucket.wait(ticket, now)
        assert bucket.wait(ticket, now) == 0.0


@pytest.mark.parametrize(
    ("rate", "size"),
    [
        (None, 1 * MiB),
        (1, 4 * KiB),
        (1e6, 4 * KiB),
        (10e6, 12 * KiB),
        (100e6, 144 * KiB),
        (1e9, 1 * MiB),
    ],
)
def test_requests_shrink_with_the_rate(rate: float | None, size: int) -> None:
    assert chunk_size(rate) == size
