"""Snapshots for watches: every job selected as it was at one revision, in frames.

One read transaction gives revision and jobs. It is read on a thread of its own;
a small snapshot is kept until the next change, so that a thousand watches that
open together read the store once.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..errors import Kind, ServiceError
from ..job.progress import Progress
from ..store.listing import Stored
from ..store.query import JobQuery
from ..store.reader import Chunks, Reader
from .crossing import Crossing
from .frames import Frame, Frames
from .jobwire import JobWire
from .selector import Selection

# One frame of a snapshot, about.
_CHUNK = 256 * 1024

# A snapshot of at most this size is collected whole, shared and kept.
_SMALL = 1024 * 1024

# So many are kept: watches that open together mostly want the same.
_MOST_KEPT = 32

# Frames of a large snapshot that wait for a slow reader.
_AHEAD = 4

# Large snapshots that are read at a time; each has a thread and two descriptors.
MOST_LARGE = 32


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`unfinished`: numbers of the jobs that had not ended at `revision`."""

    revision: int
    frames: tuple[Frame, ...]
    job_count: int
    unfinished: frozenset[int]


class Snapshots:
    def __init__(
        self,
        reader: Reader,
        wire: JobWire,
        frames: Frames,
        threads: Crossing,
        progress: Callable[[int], Progress | None],
    ) -> None:
        """`progress` is the newest of a job at work, by its number."""
        # Set once.
        self._progress = progress
        self._reader = reader
        self._wire = wire
        self._frames = frames
        self._threads = threads
        # Only on the loop.
        self._reading = 0
        self._kept: dict[bytes, tuple[int, asyncio.Future[Snapshot | None]]] = {}

    async def small(self, selection: Selection, head: int) -> Snapshot | None:
        """A snapshot not older than `head`, or None if it is a large one."""
        known = self._kept.get(selection.key)
        if known is None or known[0] < head:
            self._forget(head)
            future = asyncio.ensure_future(
                self._threads.call(self._collect, selection.query)
            )
            future.add_done_callback(_look_at)
            known = self._kept[selection.key] = (head, future)
        try:
            # One watch that goes away must not take it from the others.
            return await asyncio.shield(known[1])
        except Exception:
            self._kept.pop(selection.key, None)
            raise

    def _forget(self, head: int) -> None:
        """Drop what has grown old, and the oldest of too many."""
        old = [key for key, (revision, _) in self._kept.items() if revision < head]
        for key in old:
            del self._kept[key]
        while len(self._kept) >= _MOST_KEPT:
            del self._kept[next(iter(self._kept))]

    def _collect(self, query: JobQuery) -> Snapshot | None:
        size, count = 0, 0
        frames: list[Frame] = []
        unfinished: set[int] = set()
        with self._reader.snapshot(query) as (revision, chunks):
            for frame, jobs in self._cut(chunks):
                size += len(frame)
                if size > _SMALL:
                    return None
                frames.append(frame)
                count += len(jobs)
                unfinished.update(job.number for job in jobs if not job.is_final)
        frames.append(self._frames.snapshot_end(revision, count))
        return Snapshot(revision, tuple(frames), count, frozenset(unfinished))

    def _cut(self, chunks: Chunks) -> Iterator[tuple[Frame, list[Stored]]]:
        """Frames of about the size of a chunk, each with its jobs."""
        jobs: list[Stored] = []
        encoded: list[bytes] = []
        size = 0
        for job in (job for chunk in chunks for job in chunk):
            body = self._wire.stored(job, self._progress(job.number))
            if encoded and size + len(body) > _CHUNK:
                yield self._frames.snapshot(encoded), jobs
                jobs, encoded, size = [], [], 0
            jobs.append(job)
            encoded.append(body)
            size += len(body)
        if encoded:
            yield self._frames.snapshot(encoded), jobs

    async def unfinished(self, query: JobQuery) -> Snapshot:
        """Revision and numbers of the jobs selected that have not ended."""
        return await self._threads.call(self._numbers, query)

    def _numbers(self, query: JobQuery) -> Snapshot:
        with self._reader.snapshot(query) as (revision, chunks):
            numbers = frozenset(
                job.number for chunk in chunks for job in chunk if not job.is_final
            )
        return Snapshot(revision, (), len(numbers), numbers)

    @contextmanager
    def room(self) -> Iterator[None]:
        """A place for one large snapshot; WATCH_LIMIT if there is none."""
        if self._reading >= MOST_LARGE:
            raise ServiceError(
                Kind.WATCH_LIMIT,
                f"{MOST_LARGE} large snapshots are being read already",
                limit_name="snapshot_count",
                limit=MOST_LARGE,
            )
        self._reading += 1
        try:
            yield
        finally:
            self._reading -= 1

    async def large(
        self, selection: Selection
    ) -> AsyncGenerator[Frame | Snapshot, None]:
        """Frames as they are read; the last item is the Snapshot without frames. Only
        for who is in a `room`."""
        pipe = _Pipe(asyncio.get_running_loop())
        thread = threading.Thread(
            target=self._pour, args=(selection.query, pipe), name="snapshot"
        )
        thread.start()
        try:
            while (item := await pipe.take()) is not None:
                yield item
        finally:
            pipe.close()

    def _pour(self, query: JobQuery, pipe: "_Pipe") -> None:
        count = 0
        unfinished: set[int] = set()
        try:
            with self._reader.snapshot(query) as (revision, chunks):
                for frame, jobs in self._cut(chunks):
                    pipe.put(frame)
                    count += len(jobs)
                    unfinished.update(job.number for job in jobs if not job.is_final)
            pipe.put(Snapshot(revision, (), count, frozenset(unfinished)))
            pipe.end(None)
        except _ClosedError:
            return
        except Exception as error:  # noqa: BLE001 - it is raised by the reader's take()
            pipe.end(error)


def _look_at(future: "asyncio.Future[Snapshot | None]") -> None:
    """Every watch that waited may be gone: an error is nobody's then."""
    if not future.cancelled():
        future.exception()


class _ClosedError(Exception):
    """The reader of a pipe has gone."""


class _Pipe:
    """From a thread that reads the store to the loop; a few frames long."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        # Set once.
        self._loop = loop
        self._room = threading.Semaphore(_AHEAD)
        self._items: asyncio.Queue[Frame | Snapshot | Exception | None] = (
            asyncio.Queue()
        )
        # Set once, read by both.
        self._closed = False

    def put(self, item: Frame | Snapshot) -> None:
        self._room.acquire()
        if self._closed:
            raise _ClosedError
        self._call(lambda: self._items.put_nowait(item))

    def end(self, error: Exception | None) -> None:
        self._call(lambda: self._items.put_nowait(error))

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError as error:  # the loop has ended
            raise _ClosedError from error

    async def take(self) -> Frame | Snapshot | None:
        item = await self._items.get()
        self._room.release()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        self._closed = True
        self._room.release()
