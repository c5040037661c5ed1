"""One WatchJobs stream: a cursor on the shared log, and what to write next.

    opened, [snapshot..., snapshot_end], then whatever comes first of
        the planned end  >  changes  >  progress  >  a bookmark after silence

Nothing is buffered for a slow reader: the next frame is chosen when the last
one was accepted. `facts` of a frame's order are the rules W1 to W23 of the
contract; `watch.proto` tells them to clients.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass

from longshore.v1 import watch_pb2

from ..clock import Clock
from ..errors import Kind, ServiceError, field_invalid
from ..store.reader import Reader
from .crossing import Crossing
from .frames import Frame
from .samples import ProgressFeed
from .selector import Selection, selection
from .snapshots import Snapshot, Snapshots
from .watchers import Pace, Tempo, choose_tempo
from .watchlog import MOST_EVENTS, Piece, Topic, WatchLog

Write = Callable[[Frame], Awaitable[None]]

# How old the known end of the log may be that `opened` tells.
_FRESH_SECONDS = 1.0

# The first write of a stream is small, and its reader has taken nothing yet.
_FIRST_WRITE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Start:
    """Where a stream begins; no revision: with a snapshot."""

    revision: int | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asked for, checked."""

    selection: Selection
    start: Start
    tempo: Tempo
    progress: bool
    stop_when_finished: bool


class WatchHub:
    """What all streams share. Lives on the loop."""

    def __init__(
        self,
        *,
        log: WatchLog,
        reader: Reader,
        snapshots: Snapshots,
        feed: ProgressFeed,
        threads: Crossing,
        clock: Clock,
        chance: random.Random,
        pace: Pace,
    ) -> None:
        # Set once.
        self.log = log
        self.reader = reader
        self.snapshots = snapshots
        self.feed = feed
        self.threads = threads
        self.clock = clock
        self.pace = pace
        self._chance = chance
        # Only on the loop. How often newer progress came before older was shown.
        self.conflated = 0
        self._reading: dict[tuple[bytes, int], asyncio.Future[Piece]] = {}
        self._oldest = 0
        self._oldest_read = float("-inf")

    def wish(self, request: watch_pb2.WatchJobsRequest) -> Wish:
        """Check a request; raises before any frame (W18)."""
        heartbeat = request.HasField("heartbeat_interval")
        progress = request.HasField("progress_interval")
        return Wish(
            selection=selection(request.selector),
            start=Start(self._revision(request)),
            tempo=choose_tempo(
                self.pace,
                self._chance,
                request.heartbeat_interval if heartbeat else None,
                request.progress_interval if progress else None,
            ),
            progress=not request.omit_progress,
            stop_when_finished=request.stop_when_finished,
        )

    def _revision(self, request: watch_pb2.WatchJobsRequest) -> int | None:
        match request.WhichOneof("start"):
            case "resume_after":
                return self._resumed(request.resume_after)
            case "from_now":
                self.log.catch_up()
                return self.log.head
            case None:
                return None

    def _resumed(self, cursor: watch_pb2.Cursor) -> int:
        if cursor.history_id != self.reader.history_id:
            raise ServiceError(
                Kind.HISTORY_CHANGED,
                "The cursor belongs to another history; begin with a snapshot",
                history_id=self.reader.history_id,
            )
        if cursor.revision < 0:
            raise field_invalid(
                "resume_after.revision",
                f"Must not be negative, and is {cursor.revision}",
            )
        return cursor.revision

    async def older(self, topic: Topic, cursor: int) -> Piece:
        """The piece after a cursor, from the store; watches at one place share it."""
        key = (topic.key, cursor)
        future = self._reading.get(key)
        if future is None:
            future = asyncio.ensure_future(self.threads.call(self._read, topic, cursor))
            future.add_done_callback(lambda done: self._read_done(key, done))
            self._reading[key] = future
        return await asyncio.shield(future)

    def _read_done(
        self, key: tuple[bytes, int], future: "asyncio.Future[Piece]"
    ) -> None:
        self._reading.pop(key, None)
        if not future.cancelled():
            # Looked at here too: every watch that waited may be gone.
            future.exception()

    def _read(self, topic: Topic, cursor: int) -> Piece:
        changes = self.reader.changes_after(cursor, MOST_EVENTS)
        if not changes:
            return Piece(None, cursor)
        return self.log.piece_of(topic, changes)

    async def check(self, revision: int) -> int:
        """The oldest revision kept; raises if `revision` cannot be resumed after."""
        now = self.clock.now()
        if self.log.holds(revision) and now - self._oldest_read < _FRESH_SECONDS:
            return self._oldest
        self._oldest = await self.threads.call(self._check, revision)
        self._oldest_read = now
        return self._oldest

    def _check(self, revision: int) -> int:
        self.reader.changes_after(revision, 0)
        return self.reader.oldest()


class StalledError(Exception):
    """A reader is so slow that its stream is given up (W20); the text says how."""


class Watch:
    """One stream, from the first frame to the last."""

    __slots__ = (
        "_cursor",
        "_hub",
        "_last_write",
        "_opened_at",
        "_seen",
        "_show_progress",
        "_task",
        "_timer",
        "_topic",
        "_unfinished",
        "_waiter",
        "_wish",
        "_write",
        "_write_timed_out",
        "_writing_since",
    )

    def __init__(self, hub: WatchHub, wish: Wish, write: Write) -> None:
        self._hub = hub
        self._wish = wish
        self._write = write
        self._cursor = wish.start.revision
        self._seen = 0  # version of the progress board
        self._show_progress = wish.progress
        self._unfinished: set[int] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing_since: float | None = None
        self._opened_at = self._last_write = hub.clock.now()
        self._topic: Topic | None = None
        self._task: asyncio.Task[None] | None = None
        self._write_timed_out = False

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def tick(self) -> None:
        self._hub.conflated += self._show_progress
        self._show_progress = True
        self.wake()

    async def run(self, leave: Callable[[], None]) -> None:
        """Serve until the planned end. Raises ServiceError, or is cancelled.

        `leave` gives the stream's place back, whatever the end.
        """
        hub, wish = self._hub, self._wish
        self._task = asyncio.current_task()
        assert self._task is not None, "streams are served by tasks"
        topic = hub.log.join(wish.selection.key, wish.selection.query, self)
        self._topic = topic
        if wish.progress:
            hub.feed.follow(wish.tempo.progress, self)
        self._arm()
        try:
            await self._open()
            await self._follow(topic)
        except asyncio.CancelledError:
            if not self._write_timed_out:
                raise
            self._task.uncancel()
            raise StalledError("its reader took nothing for too long") from None
        finally:
            leave()
            if self._timer is not None:
                self._timer.cancel()
            if wish.progress:
                hub.feed.leave(wish.tempo.progress, self)
            hub.log.leave(topic, self)

    async def _open(self) -> None:
        hub, tempo = self._hub, self._wish.tempo
        head = hub.log.head if self._cursor is None else self._cursor
        oldest = await hub.check(head)
        # A stream can resume after the revision before the oldest one kept.
        opened = hub.log.frames.opened(
            self._cursor, tempo.heartbeat, tempo.progress, oldest - 1
        )
        await to_its_end(self._send(opened))
        if self._cursor is None:
            await self._send_snapshot()
        elif self._wish.stop_when_finished:
            known = await hub.snapshots.unfinished(self._wish.selection.query)
            self._unfinished = set(known.unfinished)

    async def _send_snapshot(self) -> None:
        hub, chosen = self._hub, self._wish.selection
        hub.log.catch_up()
        small = await hub.snapshots.small(chosen, hub.log.head)
        if small is not None:
            for frame in small.frames:
                await self._send(frame)
            self._begin_after(small)
            return
        with hub.snapshots.room():
            try:
                await self._send_large(chosen)
            except TimeoutError:
                raise StalledError("its reader took the snapshot too slowly") from None

    async def _send_large(self, chosen: Selection) -> None:
        pace, loop = self._hub.pace, asyncio.get_running_loop()
        frames, sent = self._hub.log.frames, 0
        latest = loop.time() + pace.snapshot_timeout
        async with (
            asyncio.timeout_at(latest) as limit,
            aclosing(self._hub.snapshots.large(chosen)) as items,
        ):
            async for item in items:
                if isinstance(item, Snapshot):
                    await self._send(frames.snapshot_end(item.revision, item.job_count))
                    self._begin_after(item)
                else:
                    await self._send(item)
                    sent += len(item)
                    limit.reschedule(latest + sent / pace.slowest_bytes)

    def _begin_after(self, snapshot: Snapshot) -> None:
        self._cursor = snapshot.revision
        if self._wish.stop_when_finished:
            self._unfinished = set(snapshot.unfinished)

    async def _follow(self, topic: Topic) -> None:
        log = self._hub.log
        while (reason := self._end()) is None:
            cursor = self._at()
            piece = log.after(topic, cursor)
            if piece is None:
                piece = await self._hub.older(topic, cursor)
            if piece.frame is not None:
                await self._send(piece.frame)
            self._advance(piece)
            if piece.upto == cursor or (piece.frame is None and piece.upto == log.head):
                # Everything durable is sent. No coroutine waits here but this one:
                # thousands of streams rest at this line.
                quiet = self._quiet_frame(topic)
                await (self._news() if quiet is None else self._send(quiet))
        await self._send(
            log.frames.closing(self._cursor, reason, self._hub.pace.retry_delay)
        )

    def _at(self) -> int:
        assert self._cursor is not None, "the snapshot has set it"
        return self._cursor

    def _advance(self, piece: Piece) -> None:
        self._cursor = piece.upto
        if self._unfinished is None:
            return
        for change in piece.changes:
            if change.job.is_final:
                self._unfinished.discard(change.job.number)
            else:
                self._unfinished.add(change.job.number)

    def _end(self) -> watch_pb2.WatchCloseReason.ValueType | None:
        """Why the stream ends now as planned, if it does (W21)."""
        if self._hub.log.closing:
            return watch_pb2.WATCH_CLOSE_REASON_SHUTDOWN
        if self._hub.clock.now() - self._opened_at >= self._wish.tempo.age:
            return watch_pb2.WATCH_CLOSE_REASON_MAX_AGE
        caught_up = self._cursor is not None and self._cursor >= self._hub.log.head
        if self._unfinished is not None and not self._unfinished and caught_up:
            return watch_pb2.WATCH_CLOSE_REASON_FINISHED
        return None

    def _quiet_frame(self, topic: Topic) -> Frame | None:
        """What a stream without news shows: progress, or a bookmark after silence."""
        if self._show_progress and self._wish.progress:
            self._show_progress = False
            batch = self._hub.feed.newer(topic, self._seen)
            self._seen = batch.version
            if batch.frame is not None:
                return batch.frame
        if self._silent_for() >= self._wish.tempo.heartbeat:
            return self._hub.log.frames.bookmark(self._at())
        return None

    def _news(self) -> "asyncio.Future[None]":
        self._waiter = asyncio.get_running_loop().create_future()
        return self._waiter

    def _silent_for(self) -> float:
        return self._hub.clock.now() - self._last_write

    async def _send(self, frame: Frame) -> None:
        self._writing_since = self._hub.clock.now()
        await self._write(frame)
        self._writing_since = None
        self._last_write = self._hub.clock.now()

    # One timer per stream, set anew only when it fires: a write moves no timer.

    def _arm(self) -> None:
        due = self._wish.tempo.heartbeat - self._silent_for()
        if due <= 0:
            due = self._wish.tempo.heartbeat
        due = min(due, self._hub.pace.write_timeout)
        self._timer = asyncio.get_running_loop().call_later(due, self._fire)

    def _fire(self) -> None:
        since = self._writing_since
        if since is None:
            self.wake()
        elif self._hub.clock.now() - since >= self._hub.pace.write_timeout:
            # W20: below this the transport holds more than any reader needs.
            self._write_timed_out = True
            assert self._task is not None, "it set the timer"
            self._task.cancel()
            return
        self._arm()


async def to_its_end(writing: Coroutine[None, None, None]) -> None:
    """Write the first frame; a cancel meanwhile counts when that is done.

    The headers of the stream go with it, and gRPC cannot give a stream its status
    while it does not know whether they are on their way.
    """
    task = asyncio.create_task(writing)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_FIRST_WRITE_SECONDS)
        if not task.cancel() and not task.cancelled():
            task.exception()  # looked at: the cancel is what counts
        raise
