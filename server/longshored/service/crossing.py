"""From the loop to threads that may wait, and back.

concurrent.futures would do, but wakes the loop with a system call for every
result; here all results that come while the loop is busy share one. With a
hundred calls behind one fsync that is what keeps the loop awake for others.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

Outcome = Callable[[], None]


class Crossing:
    """A few threads for calls that block. Made and closed on the loop's side."""

    def __init__(self, name: str, threads: int) -> None:
        # Set once.
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[Callable[[], Outcome | None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}_{index}", daemon=True)
            for index in range(threads)
        ]
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._outcomes: list[Outcome] = []
        for thread in self._threads:
            thread.start()

    async def call(self, action: Callable[..., T], *args: Any, **named: Any) -> T:
        """Run it on a thread; its result or exception comes back."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._calls.put(partial(_attempt, future, partial(action, *args, **named)))
        return await future

    async def begin(
        self, action: "Callable[..., Future[T]]", *args: Any, **named: Any
    ) -> T:
        """Begin it on a thread, which does not wait for what it promises."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._calls.put(
            partial(_begin, future, partial(action, *args, **named), self._tell)
        )
        return await future

    def close(self) -> None:
        """Let the threads finish what they do, and end them. Not on the loop."""
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            if (outcome := call()) is not None:
                self._tell(outcome)

    def _tell(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcomes.append(outcome)
            if len(self._outcomes) > 1:
                return
        try:
            self._loop.call_soon_threadsafe(self._deliver)
        except RuntimeError:
            # The loop has ended: nobody waits any more.
            return

    def _deliver(self) -> None:
        with self._lock:
            outcomes, self._outcomes = self._outcomes, []
        for outcome in outcomes:
            outcome()


def _attempt(future: "asyncio.Future[T]", action: Callable[[], T]) -> Outcome:
    try:
        return partial(_succeed, future, action())
    except Exception as error:  # noqa: BLE001 - it is raised where it is awaited
        return partial(_fail, future, error)


def _begin(
    future: "asyncio.Future[T]",
    action: "Callable[[], Future[T]]",
    tell: Callable[[Outcome], None],
) -> Outcome | None:
    try:
        promised = action()
    except Exception as error:  # noqa: BLE001 - as above
        return partial(_fail, future, error)
    # Called by whoever keeps the promise, or here if that is done.
    promised.add_done_callback(lambda kept: tell(_attempt(future, kept.result)))
    return None


def _succeed(future: "asyncio.Future[T]", result: T) -> None:
    # A caller that went away has cancelled its future.
    if not future.done():
        future.set_result(result)


def _fail(future: "asyncio.Future[T]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
