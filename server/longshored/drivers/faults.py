"""I/O errors of a running job under its policies: raise, skip, try again, or stop."""

import threading

from ..block.chain import Chain
from ..block.copy.feed import Feed
from ..block.copy.worker import Failure, Side
from ..errors import Kind, ServiceError
from ..job.model import ErrorPolicy
from ..job.spec import SkippedRange
from .base import Context
from .errors import Report, Retry, Skip, Stop, decide

# What the result and the error message can carry; all are counted.
MOST_RANGES = 100

# How long a cancel may wait for a job that waits for its next try.
_GLANCE_SECONDS = 0.05


def sentence(error: ServiceError) -> str:
    """An error for people: the message, and the file that it is about."""
    file = str(error.facts.get("uri", ""))
    if not file or file in error.message:
        return error.message
    # A file name can hold anything; a terminal must not take it for orders.
    shown = file if file.isprintable() else repr(file)
    return f"{error.message} ({shown})"


class Faults:
    """The errors of one attempt. Used by the thread that runs the work."""

    def __init__(self, context: Context, chain: Chain) -> None:
        self._context = context
        self._chain = chain
        self._tries: dict[tuple[Side, int], int] = {}
        self._skipped: list[SkippedRange] = []
        self._skipped_bytes = 0
        self._first: ServiceError | None = None

    def clear(self) -> None:
        """A batch went well to its end: a full disk, for one, is full no more."""
        self._tries.clear()

    def handle(self, failure: Failure, feed: Feed) -> None:
        """Return when work can go on, or raise."""
        error = failure.error
        if failure.copies:
            error.facts.setdefault("guest_offset", failure.copies[0].start)
        match decide(self._policy(failure.side), error, self._count(failure)):
            case Skip() if failure.copies:
                self._skip(failure)
            case Report() | Skip():
                raise error
            case Retry(delay):
                feed.give_back(failure.copies)
                self._wait(delay)
            case Stop():
                feed.give_back(failure.copies)
                self._context.stop_for(error, self._node_key(error))

    def raise_if_skipped(self) -> None:
        """The images below are still needed: a job that skipped cannot succeed."""
        if self._first is None:
            return
        raise ServiceError(
            Kind.IO_ERROR,
            "Some ranges could not be copied, so the backing file stays; "
            "pull again once they can be read",
            skipped_ranges=len(self._skipped),
            skipped_bytes=self._skipped_bytes,
            first_offset=self._skipped[0].start,
            uri=self._skipped[0].uri,
        ) from self._first

    def _policy(self, side: Side) -> ErrorPolicy:
        options = self._context.options
        match side:
            case Side.SOURCE:
                return options.source_error_policy
            case Side.TARGET:
                return options.target_error_policy

    def _count(self, failure: Failure) -> int:
        # On the target any place is as good as another: one count for all.
        start = failure.copies[0].start if failure.side is Side.SOURCE else 0
        tries = self._tries.get((failure.side, start), 0) + 1
        self._tries[failure.side, start] = tries
        return tries

    def _skip(self, failure: Failure) -> None:
        error = failure.error
        self._first = self._first or error
        for copy in failure.copies:
            self._skipped_bytes += copy.length
            if len(self._skipped) < MOST_RANGES:
                uri = str(error.facts.get("uri", self._chain.top.uri))
                number = int(error.facts.get("errno") or 0)
                self._skipped.append(SkippedRange(copy.start, copy.length, uri, number))
                self._context.warn(
                    f"Skipped {copy.length} bytes at {copy.start}: {sentence(error)}",
                    uri,
                )

    def _wait(self, seconds: float) -> None:
        """A wait that a pause or a cancel ends."""
        clock = self._context.clock
        until = clock.now() + seconds
        nobody = threading.Event()
        while (left := until - clock.now()) > 0:
            self._context.checkpoint()
            clock.wait(nobody, min(left, _GLANCE_SECONDS))

    def _node_key(self, error: ServiceError) -> str:
        """Whose I/O status the error is."""
        uri = error.facts.get("uri")
        layers = [layer for layer in self._chain.layers if layer.uri == uri]
        return str((layers or [self._chain.top])[0].identity)
