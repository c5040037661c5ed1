"""The shared log of the watches: when it wakes whoever listens."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from longshored.service.frames import Frames
from longshored.service.watchlog import MOST_PACE, PACE_PER_STREAM, WatchLog
from longshored.store.change import Change, ChangeKind
from longshored.store.query import JobQuery
from tests.job.jobs import a_job


class Listener:
    """Notes when it was woken, in the time of its loop."""

    def __init__(self) -> None:
        self.woken: list[float] = []
        self.news = asyncio.Event()

    def wake(self) -> None:
        self.woken.append(asyncio.get_running_loop().time())
        self.news.set()

    async def next(self) -> None:
        await self.news.wait()
        self.news.clear()


def change(revision: int) -> Change:
    return Change(revision, ChangeKind.UPDATED, a_job(), None, 0)


def with_listeners(
    count: int, scene: Callable[[WatchLog, list[Listener]], Awaitable[None]]
) -> None:
    async def play() -> None:
        log = WatchLog(Frames("history"), lambda _: b"event", 0)
        listeners = [Listener() for _ in range(count)]
        for listener in listeners:
            log.join(b"", JobQuery(), listener)
        await scene(log, listeners)

    asyncio.run(play())


def test_the_first_change_after_a_rest_wakes_at_once() -> None:
    async def scene(log: WatchLog, listeners: list[Listener]) -> None:
        log.publish([change(1)])
        await asyncio.sleep(0)
        assert all(listener.woken for listener in listeners)

    with_listeners(100, scene)


def test_many_listeners_are_not_woken_by_every_change() -> None:
    async def scene(log: WatchLog, listeners: list[Listener]) -> None:
        for revision in range(1, 10):
            log.publish([change(revision)])
            await asyncio.sleep(0)
        while log.head < 9:
            await listeners[0].next()
        for earlier, later in pairwise(listeners[0].woken):
            assert later - earlier >= 0.9 * MOST_PACE

    with_listeners(round(MOST_PACE / PACE_PER_STREAM), scene)


def test_what_a_caller_asks_for_is_not_kept_back() -> None:
    async def scene(log: WatchLog, listeners: list[Listener]) -> None:
        log.publish([change(1)])
        await listeners[0].next()
        log.publish([change(2)])
        log.catch_up()
        assert log.head == 2

    with_listeners(100, scene)
