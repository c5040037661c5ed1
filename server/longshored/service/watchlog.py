"""The shared log of a daemon's watches: recent changes in memory, older in the store.

    journal thread --publish--> pending --one wake-up--> loop: entries, topics
    a watch = a cursor on this log; it reads when its transport accepts

A topic is what one selector selects. All watches of a topic share its wake-up
and its frames, so a frame is built once whoever writes it.
"""

import asyncio
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..job.model import Job
from ..store.change import Change
from ..store.query import JobQuery
from .frames import Frame, Frames

# One write costs the same whatever is in it, so whoever is behind gets many
# events with it; more than these make the client wait and the memory swell.
MOST_EVENTS = 512
LARGEST_FRAME = 256 * 1024

# So long goes by between two wake-ups while changes come and come: what comes
# meanwhile is one write to each stream. A write takes some 40 microseconds, so that
# five sixths of the time are left for the rest; of 400 streams or more it is less,
# since nobody should see a change later than this.
PACE_PER_STREAM = 0.00025
MOST_PACE = 0.1

# Entries in memory: about 3 KiB each. Who is further behind reads from the store.
CAPACITY = 4096

_KEPT_FRAMES = 32

# Translating a change takes some 50 microseconds. More at once than this are read
# from the store again, by a thread, so that the loop does not stand still.
_MOST_TRANSLATED = 32


class Subscriber(Protocol):
    def wake(self) -> None:
        """Something may be new; called on the loop, must not block."""


@dataclass(slots=True)
class Entry:
    """A change; `event` is its wire form once somebody needed it."""

    change: Change
    event: bytes | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """What comes next after a cursor: perhaps a frame, and where that leads.

    No frame: nothing of the topic up to `upto`.
    """

    frame: Frame | None
    upto: int
    changes: tuple[Change, ...] = ()


class Topic:
    """Everything that one selector selects, and who listens."""

    def __init__(self, key: bytes, query: JobQuery, floor: int) -> None:
        self.key = key
        self.query = query
        self.subscribers: set[Subscriber] = set()
        # Revisions after `floor` that match; nothing is known of earlier ones.
        self.floor = floor
        self.matched: list[int] = []

    @property
    def selects_all(self) -> bool:
        return not self.key

    def note(self, revision: int) -> None:
        self.matched.append(revision)
        if len(self.matched) > 2 * CAPACITY:
            self.floor = self.matched[CAPACITY - 1]
            del self.matched[:CAPACITY]

    def wake(self) -> None:
        for subscriber in tuple(self.subscribers):
            subscriber.wake()


class WatchLog:
    """Lives on the loop; only `publish` is called from elsewhere."""

    def __init__(
        self,
        frames: Frames,
        encode: Callable[[Change], bytes],
        head: int,
        *,
        capacity: int = CAPACITY,
    ) -> None:
        # Set once.
        self.frames = frames
        self._encode = encode
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        # Only on the loop.
        self._listeners = 0
        self._next_wake = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.head = head
        self._floor = head  # entries hold every change after it
        self._revisions: list[int] = []
        self._entries: list[Entry] = []
        self.closing = False
        self._topics: dict[bytes, Topic] = {}
        self._of_job: dict[str, set[Topic]] = {}
        self._of_many: set[Topic] = set()
        self._made: OrderedDict[tuple[bytes, int], Piece] = OrderedDict()
        # Jobs that have changed since the start and have not ended, by number.
        self._open: dict[int, Job] = {}
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._pending: list[Entry] = []
        self._woken = False

    # The journal thread.

    def publish(self, changes: Sequence[Change]) -> None:
        """Changes that are durable now, in order. Never waits for the loop."""
        # Translated here, off the loop, but only if anybody is there to see it.
        watched = bool(self._topics)
        entries = [
            Entry(change, self._encode(change) if watched else None)
            for change in changes
        ]
        with self._lock:
            self._pending.extend(entries)
            wake, self._woken = not self._woken, True
        if wake:
            self._call_loop()

    def _call_loop(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._paced)
        except RuntimeError:
            # The loop has ended: nobody watches any more.
            return

    # The loop.

    def _paced(self) -> None:
        """Wake the streams, but not sooner after the last time than is worth it."""
        wait = self._next_wake - self._loop.time()
        if wait <= 0:
            self.catch_up()
        elif self._timer is None:
            self._timer = self._loop.call_later(wait, self._after_pause)

    def _after_pause(self) -> None:
        self._timer = None
        self.catch_up()

    def catch_up(self) -> None:
        """Take over what was published. Whoever reads `head` calls this first."""
        with self._lock:
            entries, self._pending = self._pending, []
            self._woken = False
        if not entries:
            return
        for entry in entries:
            self._entries.append(entry)
            self._revisions.append(entry.change.revision)
            self._follow(entry.change.job)
        self.head = self._revisions[-1]
        self._trim()
        pace = min(MOST_PACE, self._listeners * PACE_PER_STREAM)
        self._next_wake = self._loop.time() + pace
        for topic in self._touched(entries):
            topic.wake()

    def _follow(self, job: Job) -> None:
        if job.is_final:
            self._open.pop(job.number, None)
        else:
            self._open[job.number] = job

    def holds(self, revision: int) -> bool:
        """Whether memory has every change after a revision."""
        return self._floor <= revision <= self.head

    def is_open(self, number: int, topic: Topic) -> bool:
        """Whether a job at work belongs to a topic, and its end is not in the log."""
        job = self._open.get(number)
        return job is not None and topic.query.matches(job)

    def _trim(self) -> None:
        if len(self._entries) > 2 * self._capacity:
            cut = len(self._entries) - self._capacity
            self._floor = self._revisions[cut - 1]
            del self._entries[:cut]
            del self._revisions[:cut]

    def _touched(self, entries: Sequence[Entry]) -> set[Topic]:
        touched: set[Topic] = set()
        for entry in entries:
            for topic in self._topics_of(entry.change.job):
                topic.note(entry.change.revision)
                touched.add(topic)
        if (everything := self._topics.get(b"")) is not None:
            touched.add(everything)
        return touched

    def _topics_of(self, job: Job) -> Iterator[Topic]:
        """The selective topics that a job belongs to."""
        for topic in self._of_job.get(job.job_id, ()):
            if topic.query.matches(job):
                yield topic
        for topic in self._of_many:
            if topic.query.matches(job):
                yield topic

    def join(self, key: bytes, query: JobQuery, subscriber: Subscriber) -> Topic:
        """Begin to listen. The same key must mean the same query; b"" is everything."""
        self.catch_up()
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(key, query, self.head)
            for shelf in self._shelves(topic):
                shelf.add(topic)
        topic.subscribers.add(subscriber)
        self._listeners += 1
        return topic

    def leave(self, topic: Topic, subscriber: Subscriber) -> None:
        self._listeners -= 1
        topic.subscribers.discard(subscriber)
        if topic.subscribers:
            return
        self._topics.pop(topic.key, None)
        for shelf in self._shelves(topic):
            shelf.discard(topic)
        for job_id in topic.query.job_ids:
            if not self._of_job.get(job_id, True):
                del self._of_job[job_id]

    def _shelves(self, topic: Topic) -> list[set[Topic]]:
        """Where a topic is looked up: by its job ids if it names any."""
        if topic.selects_all:
            return []
        if not topic.query.job_ids:
            return [self._of_many]
        return [self._of_job.setdefault(name, set()) for name in topic.query.job_ids]

    def close(self) -> None:
        """The daemon goes down: whoever listens is to end."""
        self.closing = True
        for topic in list(self._topics.values()):
            topic.wake()

    def after(self, topic: Topic, cursor: int) -> Piece | None:
        """What comes after a cursor; None: it has to come from the store.

        Of what the log has taken over: the newest may wait for the next wake-up.
        """
        if cursor >= self.head:
            return Piece(None, cursor)
        if (known := self._made.get((topic.key, cursor))) is not None:
            return known
        entries = self._entries_after(topic, cursor)
        if entries is None:
            return None
        if not entries:
            return Piece(None, self.head)
        if sum(entry.event is None for entry in entries) > _MOST_TRANSLATED:
            return None
        return self._keep(topic, cursor, self._piece(topic, entries))

    def changes_after(self, key: bytes, cursor: int) -> Sequence[Change] | None:
        """The next changes of a topic with listeners; None: memory lacks some."""
        self.catch_up()
        entries = self._entries_after(self._topics[key], cursor)
        return None if entries is None else [entry.change for entry in entries]

    def _entries_after(self, topic: Topic, cursor: int) -> Sequence[Entry] | None:
        if topic.selects_all:
            if cursor < self._floor:
                return None
            start = bisect_right(self._revisions, cursor)
            return self._entries[start : self._aligned_end(start)]
        if cursor < topic.floor:
            return None
        start = bisect_right(topic.matched, cursor)
        wanted = topic.matched[start : start + MOST_EVENTS]
        if wanted and wanted[0] <= self._floor:
            return None
        return [self._entries[bisect_left(self._revisions, one)] for one in wanted]

    def _aligned_end(self, start: int) -> int:
        """Watchers at different places meet at a common one, and share from there."""
        revision = self._revisions[start]
        boundary = (revision // MOST_EVENTS + 1) * MOST_EVENTS
        return bisect_left(self._revisions, boundary, start)

    def _piece(self, topic: Topic, entries: Sequence[Entry]) -> Piece:
        events: list[bytes] = []
        changes: list[Change] = []
        size = 0
        for entry in entries:
            if entry.event is None:
                entry.event = self._encode(entry.change)
            size += len(entry.event)
            if events and size > LARGEST_FRAME:
                break
            events.append(entry.event)
            changes.append(entry.change)
        upto = changes[-1].revision
        return Piece(self.frames.events(upto, events), upto, tuple(changes))

    def piece_of(self, topic: Topic, changes: Sequence[Change]) -> Piece:
        """The piece for changes read from the store, of which some may match."""
        upto = changes[-1].revision
        wanted = [
            Entry(change) for change in changes if topic.query.matches(change.job)
        ]
        if not wanted:
            return Piece(None, upto)
        piece = self._piece(topic, wanted)
        if len(piece.changes) < len(wanted):
            return piece
        return Piece(self.frames.events(upto, _events(wanted)), upto, piece.changes)

    def _keep(self, topic: Topic, cursor: int, piece: Piece) -> Piece:
        self._made[topic.key, cursor] = piece
        if len(self._made) > _KEPT_FRAMES:
            self._made.popitem(last=False)
        return piece


def _events(entries: Sequence[Entry]) -> Iterator[bytes]:
    for entry in entries:
        assert entry.event is not None
        yield entry.event
