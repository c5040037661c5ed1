"""The watch over a wire, blocking and asyncio alike: nothing is lost, nothing is told
twice, and whoever leaves is gone from the daemon at once.
"""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from longshore import (
    AsyncClient,
    AsyncWatch,
    Client,
    ConnectionFailed,
    Event,
    HistoryLost,
    Resynced,
    Snapshot,
    Watch,
)
from longshore.v1 import job_service_pb2_grpc
from longshore.watch import Watcher, selector
from tests.support.fakeserver import FakeServer
from tests.support.refusals import Code, Refusal, closing, opened, whole

# "Gone at once" takes milliseconds; without it the daemon notices by its heartbeat,
# after 15 s. Between the two, whatever else the machine does.
GONE_SECONDS = 10.0


@pytest.fixture(params=["blocking", "asyncio"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@asynccontextmanager
async def connected(server: FakeServer) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(server.address) as client:
        yield client


def take(kind: str, server: FakeServer, count: int, **how: Any) -> list[Any]:
    """The first values of a watch, which is left then."""

    async def asynchronously() -> list[Any]:
        found: list[Any] = []
        async with connected(server) as client, client.watch(**how) as watch:
            async for value in watch:
                found.append(value)
                if len(found) == count:
                    break
        return found

    if kind == "asyncio":
        return asyncio.run(asynchronously())
    found = []
    with Client(server.address) as client, client.watch(**how) as watch:
        for value in watch:
            found.append(value)
            if len(found) == count:
                break
    return found


def all_of(kind: str, server: FakeServer, job_id: str, **how: Any) -> list[Any]:
    """Every value of the watch of one job, to its end."""

    async def asynchronously() -> list[Any]:
        async with connected(server) as client:
            return [value async for value in client.job(job_id).watch(**how)]

    if kind == "asyncio":
        return asyncio.run(asynchronously())
    with Client(server.address) as client:
        return list(client.job(job_id).watch(**how))


def revisions(values: list[Any]) -> list[int]:
    return [value.revision for value in values if isinstance(value, Event)]


def fast(server: FakeServer) -> None:
    # Three of them are longer than a busy machine stops anybody.
    server.heartbeat = 0.4


def test_a_job_is_watched_to_its_end(kind: str, server: FakeServer) -> None:
    server.put("a")
    server.put("b")
    server.put("a", "SUCCEEDED")
    snapshot, *rest = all_of(kind, server, "a")
    assert [job.job_id for job in snapshot.jobs] == ["a"]
    assert rest == []


def patient(server: FakeServer) -> Watcher:
    """A watcher that comes back at once, as often as it must."""
    return Watcher(
        selector(),
        cursor=server.cursor(0),
        stop_when_finished=True,
        chance=lambda: 0.0,
    )


@pytest.mark.parametrize("seed", range(4))
def test_no_cut_loses_or_repeats_a_change(
    kind: str, server: FakeServer, seed: int
) -> None:
    dice = random.Random(seed)
    for _ in range(40):
        server.put("a")
    server.put("a", "SUCCEEDED")
    server.stutters = dice.random() < 0.5
    server.cuts.extend(dice.randrange(5) for _ in range(40))
    values = told(kind, server, patient(server))
    assert revisions(values) == list(range(1, 42))


def told(kind: str, server: FakeServer, watcher: Watcher) -> list[Any]:
    """Every value of a watch whose channel is the test's own."""

    async def asynchronously() -> list[Any]:
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = job_service_pb2_grpc.JobServiceStub(channel)
            return [value async for value in AsyncWatch(stub.WatchJobs, watcher)]

    if kind == "asyncio":
        return asyncio.run(asynchronously())
    with grpc.insecure_channel(server.address) as channel:
        stub = job_service_pb2_grpc.JobServiceStub(channel)
        return list(Watch(stub.WatchJobs, watcher))


def test_a_cut_snapshot_is_told_once(kind: str, server: FakeServer) -> None:
    server.put("a", "SUCCEEDED")
    server.cuts.extend([0, 1, 2])
    values = all_of(kind, server, "a")
    assert [type(value) for value in values] == [Snapshot]


def test_what_the_daemon_repeats_is_told_once(kind: str, server: FakeServer) -> None:
    server.stutters = True
    for _ in range(5):
        server.put("a")
    values = take(kind, server, 5, cursor=server.cursor(0))
    assert revisions(values) == [1, 2, 3, 4, 5]


def test_a_watch_outlives_a_crash_of_the_daemon(kind: str, server: FakeServer) -> None:
    fast(server)
    server.put("a")

    def crash() -> None:
        for _ in range(3):
            server.wait_for(lambda fake: fake.watchers == 1)
            server.put("a")
            server.stop()
            server.put("a")
            server.start()
        server.put("a", "SUCCEEDED")

    thread = threading.Thread(target=crash)
    thread.start()
    values = all_of(kind, server, "a", cursor=server.cursor(1))
    thread.join()
    assert revisions(values) == list(range(2, 9))


def test_a_client_that_begins_anew_goes_on_where_it_was(
    kind: str, server: FakeServer
) -> None:
    for _ in range(10):
        server.put("a")
    first = take(kind, server, 4, cursor=server.cursor(0))
    second = take(kind, server, 6, cursor=first[-1].cursor)
    assert revisions(first + second) == list(range(1, 11))


def test_compaction_is_told_as_the_jobs_that_are_now(
    kind: str, server: FakeServer
) -> None:
    for _ in range(3):
        server.put("a")
    server.compact()
    (resynced,) = take(kind, server, 1, cursor=server.cursor(1))
    assert isinstance(resynced, Resynced)
    assert [job.revision for job in resynced.jobs] == [3]


def test_another_history_is_told_as_the_jobs_that_are_now(
    kind: str, server: FakeServer
) -> None:
    server.put("a")
    before = server.cursor(1)
    server.restore()
    (resynced,) = take(kind, server, 1, cursor=before)
    assert isinstance(resynced, Resynced)
    assert resynced.cursor == server.cursor(1)


def test_compaction_ends_a_strict_watch(kind: str, server: FakeServer) -> None:
    server.put("a")
    server.put("a")
    server.compact()
    with pytest.raises(HistoryLost):
        take(kind, server, 1, cursor=server.cursor(1), strict=True)


def test_a_planned_end_is_gone_on_from(kind: str, server: FakeServer) -> None:
    server.put("a")
    server.scripts.append([opened(), closing("MAX_AGE", server.cursor(1))])
    # The script ends there; the next stream tells the truth.
    server.scripts.append([Refusal(Code.UNAVAILABLE)])
    server.put("a", "SUCCEEDED")
    values = all_of(kind, server, "a")
    assert revisions(values) == [2]


def test_silence_for_three_heartbeats_ends_a_stream(
    kind: str, server: FakeServer
) -> None:
    server.put("a", "SUCCEEDED")
    server.scripts.append([opened(heartbeat=0.1)])
    began = time.monotonic()
    values = all_of(kind, server, "a")
    assert len(server.called("WatchJobs")) == 2
    assert time.monotonic() - began >= 0.3
    assert [type(value) for value in values] == [Snapshot]


def test_heartbeats_keep_a_stream_alive(kind: str, server: FakeServer) -> None:
    fast(server)
    server.put("a")

    def beat() -> None:
        server.wait_for(lambda fake: fake.bookmarks >= 5)
        server.put("a", "SUCCEEDED")

    thread = threading.Thread(target=beat)
    thread.start()
    all_of(kind, server, "a")
    thread.join()
    assert len(server.called("WatchJobs")) == 1


def test_a_slow_reader_is_not_taken_for_a_silent_daemon(
    server: FakeServer, client: Client
) -> None:
    server.scripts.append([opened(heartbeat=0.1), *whole(server.cursor(1)) * 2])
    watch = iter(client.watch())
    next(watch)
    # Longer than three heartbeats, between two frames that are there already.
    time.sleep(0.5)
    next(watch)
    assert len(server.called("WatchJobs")) == 1


def test_an_error_that_stays_is_raised(kind: str, server: FakeServer) -> None:
    server.scripts.append([Refusal(Code.INVALID_ARGUMENT, "FIELD_INVALID")])
    with pytest.raises(Exception, match="refused"):
        take(kind, server, 1)


def test_patience_has_an_end(kind: str, server: FakeServer) -> None:
    server.stop()
    with pytest.raises(ConnectionFailed):
        take(kind, server, 1, patience=0.2)


def test_a_dead_daemon_is_come_back_to(kind: str, server: FakeServer) -> None:
    server.put("a", "SUCCEEDED")
    server.stop()
    starter = threading.Timer(0.2, server.start)
    starter.start()
    assert len(all_of(kind, server, "a")) == 1
    starter.join()


# Leaving


def gone(server: FakeServer) -> float:
    """How long it takes until the daemon has no watcher any more."""
    began = time.monotonic()
    server.wait_for(lambda fake: fake.watchers == 0)
    return time.monotonic() - began


def watched(server: FakeServer, client: Client) -> Iterator[Any]:
    server.put("a")
    values = iter(client.watch())
    next(values)
    assert server.watchers == 1
    return values


def test_a_break_ends_the_call(server: FakeServer, client: Client) -> None:
    server.put("a")
    for _ in client.watch():
        assert server.watchers == 1
        break
    assert gone(server) < GONE_SECONDS


def test_an_exception_in_the_loop_ends_the_call(
    server: FakeServer, client: Client
) -> None:
    server.put("a")

    def fall() -> None:
        for _ in client.watch():
            raise KeyError

    with pytest.raises(KeyError):
        fall()
    assert gone(server) < GONE_SECONDS


def test_an_iterator_that_is_dropped_ends_the_call(
    server: FakeServer, client: Client
) -> None:
    values = watched(server, client)
    del values
    assert gone(server) < GONE_SECONDS


def test_the_end_of_the_block_ends_the_call(server: FakeServer, client: Client) -> None:
    server.put("a")
    with client.watch() as watch:
        values = iter(watch)
        next(values)
    assert gone(server) < GONE_SECONDS
    assert list(values) == []


def test_a_close_from_another_thread_ends_the_loop(
    server: FakeServer, client: Client
) -> None:
    server.put("a")
    watch = client.watch()

    def close() -> None:
        server.wait_for(lambda fake: fake.watchers == 1)
        watch.close()

    thread = threading.Thread(target=close)
    thread.start()
    assert len(list(watch)) <= 1
    thread.join()
    assert gone(server) < GONE_SECONDS


def test_a_close_before_the_first_value_opens_nothing(
    server: FakeServer, client: Client
) -> None:
    watch = client.watch()
    watch.close()
    assert list(watch) == []
    assert server.called("WatchJobs") == []


def test_a_close_wakes_a_watch_that_waits_to_come_back(
    server: FakeServer, client: Client
) -> None:
    server.scripts.append([opened(), closing("SHUTDOWN", delay=3600)])
    server.scripts.append([])
    watch = client.watch()
    closer = threading.Timer(0.2, watch.close)
    closer.start()
    assert list(watch) == []
    closer.join()


def test_a_closed_client_ends_its_watches(server: FakeServer) -> None:
    server.put("a")
    client = Client(server.address)
    values = iter(client.watch())
    next(values)
    client.close()
    assert list(values) == []
    assert gone(server) < GONE_SECONDS


async def _fall(values: AsyncIterator[Any]) -> None:
    async for _ in values:
        raise KeyError


async def left(server: FakeServer) -> None:
    """Give the event loop time to end the call."""
    async with asyncio.timeout(GONE_SECONDS):
        await asyncio.to_thread(gone, server)


def test_an_async_break_ends_the_call(server: FakeServer) -> None:
    async def story() -> None:
        async with connected(server) as client:
            async for _ in client.watch():
                assert server.watchers == 1
                break
            await left(server)

    server.put("a")
    asyncio.run(story())


def test_an_async_exception_ends_the_call(server: FakeServer) -> None:
    async def story() -> None:
        async with connected(server) as client:
            with pytest.raises(KeyError):
                await _fall(client.watch())  # type: ignore[arg-type]  # iterable
            await left(server)

    server.put("a")
    asyncio.run(story())


def test_an_async_iterator_that_is_dropped_ends_the_call(server: FakeServer) -> None:
    async def story() -> None:
        async with connected(server) as client:
            values = aiter(client.watch())
            await anext(values)
            assert server.watchers == 1
            del values
            await left(server)

    server.put("a")
    asyncio.run(story())


def test_a_cancelled_task_ends_the_call(server: FakeServer) -> None:
    async def story() -> None:
        async with connected(server) as client:
            task = asyncio.create_task(_drain(client.watch()))
            await asyncio.to_thread(server.wait_for, lambda fake: fake.watchers == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await left(server)

    server.put("a")
    asyncio.run(story())


async def _drain(values: Any) -> int:
    return len([value async for value in values])


def test_an_async_close_from_another_task_ends_the_loop(server: FakeServer) -> None:
    async def story() -> None:
        async with connected(server) as client:
            watch = client.watch()
            task = asyncio.create_task(_drain(watch))
            await asyncio.to_thread(server.wait_for, lambda fake: fake.watchers == 1)
            watch.close()
            assert await task <= 1
            await left(server)

    server.put("a")
    asyncio.run(story())


def test_a_closed_async_client_ends_its_watches(server: FakeServer) -> None:
    async def story() -> None:
        client = AsyncClient(server.address)
        task = asyncio.create_task(_drain(client.watch()))
        await asyncio.to_thread(server.wait_for, lambda fake: fake.watchers == 1)
        await client.close()
        await task
        await left(server)

    server.put("a")
    asyncio.run(story())


def test_a_stalled_watch_does_not_hold_up_a_verb(
    server: FakeServer, client: Client
) -> None:
    values = watched(server, client)
    server.answers["CancelJob"] = None
    client.job("a").cancel()
    assert len(server.called("CancelJob")) == 1
    del values


def test_no_thread_is_left_behind(server: FakeServer, client: Client) -> None:
    values = watched(server, client)
    del values
    server.wait_for(lambda fake: fake.watchers == 0)
    names = [thread.name for thread in threading.enumerate()]
    deadline = time.monotonic() + GONE_SECONDS
    while "longshore-watchdog" in names and time.monotonic() < deadline:
        names = [thread.name for thread in threading.enumerate()]
    assert "longshore-watchdog" not in names
