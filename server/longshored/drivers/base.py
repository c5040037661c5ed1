"""What a kind of job promises the scheduler, and what it may ask of it.

A driver is stateless: it says which nodes a spec touches, plans it, and starts
it. `start` gives a Work: one attempt at one job, with its nodes open and
locked. The scheduler calls, on worker threads, never two at once:

    run, then prepare, then commit     or     abort     and at last clean

A Work learns about the world only through its Context.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ..clock import Clock
from ..errors import ServiceError
from ..job.model import Options
from ..job.nodes import Node
from ..job.spec import ImageRef, Result, Spec, Status
from ..job.states import Verb
from .meter import Meter


class Cancelled(Exception):
    """Raised by checkpoint(): the job is to be unwound (cancel, or a fallen group)."""


class Stopping(Exception):
    """Raised by checkpoint(): the daemon stops. A later attempt goes on from here."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a job would do, as metadata tells before any byte moves."""

    read: int = 0
    write: int = 0
    zero: int = 0
    reflink: int = 0  # neither read nor written
    space_needed: int = 0
    space_available: int | None = None
    chain: tuple[ImageRef, ...] = ()
    nodes: tuple[Node, ...] = ()
    cancel_leaves: str = ""
    obstacles: tuple[ServiceError, ...] = ()  # why it could not start now, or fails


class Context(Protocol):
    """One attempt's view of the world. Safe to be used by several threads."""

    @property
    def job_id(self) -> str: ...

    @property
    def spec(self) -> Spec: ...

    @property
    def attempt(self) -> int:
        """1 for the first; more after a restart."""

    @property
    def options(self) -> Options:
        """As they are at this moment: they change while the job runs."""

    @property
    def saved(self) -> bytes | None:
        """What an earlier attempt gave to save() last."""

    @property
    def meter(self) -> Meter: ...

    @property
    def clock(self) -> Clock: ...

    def proceed(self, length: int) -> bool:
        """Book one request of `length` bytes and wait for its turn under every limit.

        False, at once: something is wanted; finish what is in flight, make it
        durable and call checkpoint(). Nothing is booked then.
        """

    def chunk(self, largest: int) -> int:
        """The request size that keeps the present limit smooth, at most `largest`."""

    def checkpoint(self) -> None:
        """The one place where a job may stand still.

        Returns when there is nothing (more) to wait for. Raises Cancelled or
        Stopping. Only the thread that runs the Work calls it, with no request
        in flight.
        """

    def save(self, state: bytes, status: Status | None = None) -> None:
        """Make a checkpoint durable; it must claim only what has been flushed."""

    def warn(self, text: str, node_uri: str = "") -> None:
        """Add a warning to the job (bounded), about one of its nodes perhaps."""

    def stop_for(self, error: ServiceError, node_key: str) -> None:
        """The error policy says stop: the next checkpoint() waits for the operator."""

    def fail_point(self, name: str) -> None:
        """A named place where tests may kill, fail or delay; else nothing."""


class Work(Protocol):
    """One attempt at one job. Its nodes are open and locked until clean()."""

    def run(self) -> None:
        """Do the work. Raises what checkpoint() raises, or ServiceError."""

    def prepare(self) -> None:
        """Everything of finalising that may still fail and be undone."""

    def commit(self) -> Result:
        """Make the result visible. Done twice (a crash between) it is right as well."""

    def abort(self) -> None:
        """Unwind: leave everything valid. Called after a cancel or a failure."""

    def clean(self) -> None:
        """Close and unlock. Always the last call; must not raise."""


class Driver(Protocol):
    """One kind of job."""

    @property
    def kind(self) -> str: ...

    @property
    def verbs(self) -> frozenset[Verb]:
        """Verbs this kind knows at all (not every kind can be completed)."""

    def nodes(self, spec: Spec) -> tuple[Node, ...]:
        """What the job touches and how. Looks at files; keeps nothing open.

        Raises ServiceError for what is wrong with them. A foreign process that
        holds an image is found here too: TARGET_BUSY with pid and command.
        """

    def identify(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """The nodes of a job that an earlier daemon made, as they are called now.

        The disk below may have got another number since. Looks at files; what is
        not to be found keeps its name.
        """

    def plan(self, spec: Spec) -> Plan: ...

    def start(self, context: Context) -> Work:
        """Open and lock. Raises ServiceError; then nothing is left open."""


FailPoint = Callable[[str], None]


def by_kind(drivers: Iterable[Driver]) -> dict[str, Driver]:
    return {driver.kind: driver for driver in drivers}
