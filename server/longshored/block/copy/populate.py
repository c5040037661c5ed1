"""Batch after batch: copy, flush, publish. Only then is a byte where it claims to be.

    reserve host space -> workers fill it -> flush -> publish

At every instant of it the overlay shows the same bytes: until they are published
nothing points to the copies, and afterwards they are what was seen before.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ..qcow2.bulk import NoRoom, Placement
from .engine import Engine
from .feed import BatchLimits, Feed
from .plan import Zero
from .worker import Failure, Placed, Side

CRASH_POINTS = ("pull.batch_copied", "pull.data_flushed", "pull.published")


class Publisher(Protocol):
    """Makes placements visible, crash-safe at every instant (qcow2's Populator)."""

    def publish(self, placements: Sequence[Placement]) -> None:
        """Raises NoRoom if it changed nothing for want of space."""


@dataclass(frozen=True, slots=True)
class Published:
    """What one batch made durable, in guest bytes, and what it could not do.

    A failure without copies is one of publishing: the next step tries it again.
    """

    copied: int
    zeroed: int
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Overlay:
    """How the image is written to that is populated."""

    publisher: Publisher
    flush: Callable[[], None]
    marks_zeros: bool  # else what is zero simply stays unallocated


@dataclass(frozen=True, slots=True)
class _Waiting:
    placements: tuple[Placement, ...] = ()
    copied: int = 0
    zeroed: int = 0


_NOTHING = _Waiting()


class Population:
    """The feed of one plan, emptied into one overlay. One thread at a time."""

    def __init__(
        self,
        feed: Feed,
        engine: Engine,
        overlay: Overlay,
        crash_point: Callable[[str], None],
        spend: Callable[[float], None],
        now: Callable[[], float],
    ) -> None:
        self._feed = feed
        self._engine = engine
        self._overlay = overlay
        self._crash_point = crash_point
        self._spend = spend
        self._now = now
        # What is copied and not yet published.
        self._waiting = _NOTHING

    @property
    def is_done(self) -> bool:
        return self._feed.is_done and self._waiting == _NOTHING

    def step(self, limits: BatchLimits) -> Published:
        """One batch: what was copied in it is durable when this returns."""
        failure = None
        if self._waiting == _NOTHING:
            failure = self._copy(limits)
        began = self._now()
        try:
            self._publish(self._waiting.placements)
        except NoRoom as error:
            # Nothing was changed, and the copies stay good. Any other failure leaves
            # the image in a state nobody knows.
            if failure is not None:
                # What could not be copied either is tried again with the rest.
                self._feed.give_back(failure.copies)
            return Published(0, 0, Failure(Side.TARGET, error, ()))
        finally:
            self._spend(self._now() - began)
        done, self._waiting = self._waiting, _NOTHING
        return Published(done.copied, done.zeroed, failure)

    def _copy(self, limits: BatchLimits) -> Failure | None:
        self._feed.open(limits)
        batch = self._engine.run(self._feed)
        zeros = self._feed.take_zeros()
        found = [placed for placed in batch.placed if placed.host_offset is None]
        self._waiting = _Waiting(
            tuple(placements_of(batch.placed, zeros, self._overlay.marks_zeros)),
            copied=_total(batch.placed) - _total(found),
            zeroed=_total(found) + _total(zeros),
        )
        self._crash_point("pull.batch_copied")
        return batch.failure

    def _publish(self, placements: Sequence[Placement]) -> None:
        if not placements:
            return
        self._overlay.flush()
        self._crash_point("pull.data_flushed")
        self._overlay.publisher.publish(placements)
        self._crash_point("pull.published")


def placements_of(
    placed: Iterable[Placed], zeros: Iterable[Zero], marks_zeros: bool
) -> Iterator[Placement]:
    """In guest order, neighbours joined: each costs its own entry in a table."""
    parts = [
        Placement(one.start, one.length, one.host_offset)
        for one in placed
        if one.host_offset is not None or marks_zeros
    ]
    parts += [Placement(zero.start, zero.length, None) for zero in zeros]
    parts.sort(key=lambda part: part.start)
    return _joined(parts)


def _joined(parts: Iterable[Placement]) -> Iterator[Placement]:
    held: Placement | None = None
    for part in parts:
        if held is not None and _continues(part, held):
            held = replace(held, length=held.length + part.length)
            continue
        if held is not None:
            yield held
        held = part
    if held is not None:
        yield held


def _continues(part: Placement, before: Placement) -> bool:
    if before.start + before.length != part.start:
        return False
    if before.host_offset is None or part.host_offset is None:
        return before.host_offset is part.host_offset
    return before.host_offset + before.length == part.host_offset


def _total(parts: Iterable[Placed | Zero]) -> int:
    return sum(part.length for part in parts)
