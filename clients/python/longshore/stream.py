"""The blocking watch: drives a `Watcher` with the frames of one stream after another,
and cancels a stream that has gone silent.
"""

import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import grpc

from .errors import ConnectionFailed, LongshoreError, from_call
from .v1 import watch_pb2
from .watch import Finished, Value, Watcher

Open = Callable[[watch_pb2.WatchJobsRequest], Any]


class Watch:
    """An iterator of values that resumes by itself.

    Leaving the loop ends the call to the daemon, however it is left; so does
    `close`, from any thread, and the end of a `with` block.
    """

    def __init__(self, open_stream: Open, watcher: Watcher) -> None:
        # Set once.
        self._open_stream = open_stream
        self._watcher = watcher
        self._closed = threading.Event()
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._call: Any = None

    @property
    def cursor(self) -> watch_pb2.Cursor | None:
        """Everything up to here was handed out and the next value asked for."""
        return self._watcher.cursor

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch; from any thread, at any time."""
        with self._lock:
            self._closed.set()
            call = self._call
        if call is not None:
            call.cancel()

    def __iter__(self) -> Iterator[Value]:
        try:
            while not self._closed.is_set():
                began = time.monotonic()
                try:
                    yield from self._stream()
                    delay = self._watcher.closed(time.monotonic() - began)
                except Finished:
                    return
                except LongshoreError as error:
                    delay = self._watcher.failed(error, time.monotonic() - began)
                self._closed.wait(delay)
        finally:
            self.close()

    def _stream(self) -> Iterator[Value]:
        """One stream to its end."""
        call = self._begin()
        if call is None:
            return
        with Watchdog(call.cancel) as dog:
            try:
                while (frame := self._next(call, dog)) is not None:
                    yield from self._watcher.frame(frame)
            finally:
                call.cancel()

    def _begin(self) -> Any:
        with self._lock:
            if self._closed.is_set():
                return None
            self._call = self._open_stream(self._watcher.request())
            return self._call

    def _next(self, call: Any, dog: "Watchdog") -> watch_pb2.WatchJobsResponse | None:
        """The next frame, None at the end. Silence is an error; a slow reader not."""
        dog.feed(self._watcher.silence)
        try:
            frame: watch_pb2.WatchJobsResponse | None = next(call, None)
        except grpc.RpcError as error:
            if self._closed.is_set():
                return None
            if dog.has_bitten:
                raise ConnectionFailed("the watch has gone silent") from error
            raise from_call(error) from error
        dog.rest()
        return frame


class Watchdog:
    """Bites, from a thread of its own, when it was fed for a time that has passed."""

    def __init__(self, bite: Callable[[], object]) -> None:
        # Set once.
        self._bite = bite
        self._thread = threading.Thread(
            target=self._guard, name="longshore-watchdog", daemon=True
        )
        # Written by the owner, read by the guard: one assignment each.
        self._until = float("inf")
        # Written by the guard: until when it sleeps.
        self._wakes = float("inf")
        self.has_bitten = False
        # Guarded by _news.
        self._news = threading.Condition()
        self._stopped = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._news:
            self._stopped = True
            self._news.notify()

    def feed(self, seconds: float) -> None:
        """Wait so long from now on."""
        self._until = time.monotonic() + seconds
        if self._until < self._wakes:
            # Else the guard finds the new time when it wakes: no lock for each frame.
            with self._news:
                self._news.notify()

    def rest(self) -> None:
        """Wait for nothing until fed again."""
        self._until = float("inf")

    def _guard(self) -> None:
        with self._news:
            while not self._stopped:
                until = self._until
                self._wakes = until
                if until != self._until:
                    continue
                left = until - time.monotonic()
                if left <= 0:
                    self.has_bitten = True
                    self._bite()
                    return
                self._news.wait(None if left == float("inf") else left)
