"""Open streams, by what their callers have shown: who may no longer watch is ended."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import ServiceError
from .callers import Evidence

Judge = Callable[[Evidence, str], None]
"""Raises ServiceError if who shows this may no longer call this method."""


class Streams:
    """Lives on the loop."""

    def __init__(self) -> None:
        self._open: dict[tuple[Evidence, str], set[asyncio.Task[None]]] = {}
        self._ended: dict[asyncio.Task[None], ServiceError] = {}

    @contextmanager
    def opened(self, evidence: Evidence, rpc: str) -> Iterator[None]:
        """The stream of this task, inside the `with`. Raises why it was ended, in the
        place of the cancellation that did it."""
        task: asyncio.Task[None] | None = asyncio.current_task()
        assert task is not None, "streams are served by tasks"
        peers = self._open.setdefault((evidence, rpc), set())
        peers.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            raise self._ended[task] from None
        finally:
            self._ended.pop(task, None)
            peers.discard(task)
            if not peers and self._open.get((evidence, rpc)) is peers:
                del self._open[evidence, rpc]

    def recheck(self, judge: Judge) -> None:
        """Judge every caller that has a stream open, and end those of the refused."""
        for (evidence, rpc), tasks in self._open.items():
            try:
                judge(evidence, rpc)
            except ServiceError as error:
                # One that is being ended already must not be cancelled in that.
                for task in tasks - self._ended.keys():
                    self._ended[task] = error
                    task.cancel()
