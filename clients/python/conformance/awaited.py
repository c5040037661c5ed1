"""The asyncio client as a blocking one, so that one driver serves both: every call
and every step of an iteration runs on a loop in a thread of its own.
"""

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

from longshore import AsyncClient, AsyncJob, AsyncWatch

_OURS = (AsyncClient, AsyncJob, AsyncWatch)


class Blocking:
    """What an object does, done on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, target: Any) -> None:
        self._loop = loop
        self._target = target

    @classmethod
    def start(cls) -> "Blocking":
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="aio", daemon=True).start()
        return cls(loop, None)

    def make(self, kind: Callable[..., Any], *given: Any) -> Any:
        return self._call(kind, *given)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value):
            return value
        return lambda *given, **named: self._call(value, *given, **named)

    def __iter__(self) -> Iterator[Any]:
        values = self._run(aiter, self._target)
        try:
            while True:
                yield self._wrap(self._run(anext, values))
        except StopAsyncIteration:
            return
        finally:
            self._run(_leave, values)

    def count_in_loop(self, weigh: Callable[[Any], int], until: int) -> int:
        """Iterate on the loop, at its own speed."""
        seen: int = self._run(_count, self._target, weigh, until)
        return seen

    def _call(self, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
        return self._wrap(self._run(work, *given, **named))

    def _run(self, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
        async def on_loop() -> Any:
            found = work(*given, **named)
            return await found if inspect.isawaitable(found) else found

        return asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result()

    def _wrap(self, found: Any) -> Any:
        if isinstance(found, tuple):
            return tuple(self._wrap(one) for one in found)
        return Blocking(self._loop, found) if _is_awaited(found) else found


def _is_awaited(found: Any) -> bool:
    """Is there something in it to be awaited in turn?"""
    is_stub = type(found).__name__.endswith("Stub")
    return is_stub or isinstance(found, _OURS) or hasattr(found, "__aiter__")


async def _count(values: Any, weigh: Callable[[Any], int], until: int) -> int:
    seen = 0
    async for value in values:
        seen += weigh(value)
        if seen >= until:
            break
    return seen


async def _leave(values: Any) -> None:
    """What the end of `async with` does, for a loop that is left."""
    if hasattr(values, "aclose"):
        await values.aclose()
