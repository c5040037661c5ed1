"""The asyncio watch: drives a `Watcher` with the frames of one stream after another,
and ends a stream that has gone silent.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from types import TracebackType
from typing import Any, Self

import grpc

from .errors import ConnectionFailed, LongshoreError, from_call
from .v1 import watch_pb2
from .watch import Finished, Value, Watcher

Open = Callable[[watch_pb2.WatchJobsRequest], Any]


class AsyncWatch:
    """An asynchronous iterator of values that resumes by itself.

    `async with client.watch() as values: async for value in values` ends the call to
    the daemon when the block is left. Without the block it ends when the loop drops
    the iterator, as soon as the event loop gets to it.
    """

    def __init__(self, open_stream: Open, watcher: Watcher) -> None:
        self._open_stream = open_stream
        self._watcher = watcher
        self._closed = asyncio.Event()
        self._call: Any = None

    @property
    def cursor(self) -> watch_pb2.Cursor | None:
        """Everything up to here was handed out and the next value asked for."""
        return self._watcher.cursor

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch, whoever reads it."""
        self._closed.set()
        if self._call is not None:
            self._call.cancel()

    def __aiter__(self) -> AsyncIterator[Value]:
        # The generator knows this object and not the other way round: dropped, it
        # is gone at once and need not wait for the garbage collector.
        return self._values()

    async def _values(self) -> AsyncGenerator[Value, None]:
        """One stream after another; no generator between, each would cost a value."""
        try:
            while not self._closed.is_set():
                began = time.monotonic()
                call = self._call = self._open_stream(self._watcher.request())
                try:
                    while (frame := await self._next(call)) is not None:
                        for value in self._watcher.frame(frame):
                            yield value
                    delay = self._watcher.closed(time.monotonic() - began)
                except Finished:
                    return
                except LongshoreError as error:
                    delay = self._watcher.failed(error, time.monotonic() - began)
                finally:
                    call.cancel()
                await self._pause(delay)
        finally:
            self.close()

    async def _next(self, call: Any) -> watch_pb2.WatchJobsResponse | None:
        """The next frame, None at the end. Silence is an error; a slow reader not."""
        try:
            async with asyncio.timeout(self._watcher.silence):
                frame = await call.read()
        except TimeoutError as silence:
            raise ConnectionFailed("the watch has gone silent") from silence
        except grpc.RpcError as error:
            raise from_call(error) from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._closed.is_set() and (task is None or not task.cancelling()):
                # Not this task is cancelled, only the call, by close().
                return None
            raise
        return None if frame is grpc.aio.EOF else frame

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            pass
