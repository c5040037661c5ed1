"""One attempt at a pull: batches until nothing is lacking, then the new header.

    run       copy, flush, publish, checkpoint; again until the plan is empty
    prepare   give back space, flush, look once more at the files by their paths
    commit    the header names the base as backing file, or none

Whatever happens before commit, the chain is valid and shows the same bytes.
What was published stays, and a later pull does not copy it again.
"""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace

from ..block.chain import Chain
from ..block.copy.engine import WORKERS, Engine
from ..block.copy.feed import BatchLimits, Feed
from ..block.copy.lacking import lacking
from ..block.copy.plan import Request, Shape, Totals, plan, total
from ..block.copy.populate import CRASH_POINTS, Overlay, Population, Published
from ..block.copy.sink import Sink, Way
from ..block.copy.source import Source, expect_sequential
from ..block.copy.space import Space
from ..block.copy.worker import Route
from ..block.qcow2 import bulk
from ..block.qcow2.image import Qcow2Node
from ..block.qcow2.rewrite import REWRITE_POINTS, rewrite_backing
from ..block.roots import Roots
from ..clock import SECOND
from ..errors import ServiceError
from ..job.spec import ImageRef, PullResult, PullStatus
from .backing_name import backing_name
from .base import Context
from .faults import Faults
from .images import still_there
from .pull_state import PullState, encode_state

FAIL_POINTS = (
    *CRASH_POINTS,
    *bulk.CRASH_POINTS,
    "pull.checkpoint_saved",
    "pull.prepared",
    *REWRITE_POINTS,
    "pull.header_written",
)
"""Where a test may kill or fail a pull, in the order of a first batch."""


@dataclass(frozen=True, slots=True)
class Backing:
    """What the header of the top says of its backing file; both None: it has none."""

    name: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the bytes move; the defaults are what bench/pull.py found best."""

    workers: int = WORKERS
    ways: tuple[Way, ...] = (Way.DIRECT, Way.DROP, Way.CACHED)
    limits: BatchLimits = field(default_factory=BatchLimits)


MEASURED = Tuning()


def shape_of(chain: Chain, base: int | None) -> Shape:
    node = chain.top.node
    assert isinstance(node, Qcow2Node), "only qcow2 images have a backing file"
    return Shape(
        size=node.size,
        cluster=node.header.cluster_size,
        subcluster=node.header.subcluster_size,
        keeps_base=base is not None,
        can_zero=node.header.version >= 3,
    )


class PullWork:
    """Owns the open chain until clean(). `base` is a depth; None: nothing stays."""

    def __init__(
        self,
        context: Context,
        roots: Roots,
        chain: Chain,
        base: int | None,
        state: PullState,
        tuning: Tuning,
    ) -> None:
        assert isinstance(chain.top.node, Qcow2Node)
        # Set once.
        self._context = context
        self._roots = roots
        self._chain = chain
        self._base = base
        self._tuning = tuning
        self._top = chain.top.node
        self._shape = shape_of(chain, base)
        self._populator = bulk.Populator(self._top, context.fail_point)
        self._faults = Faults(context, chain)
        # Changed by run after each batch, and by prepare.
        self._state = state
        self._backing = Backing()

    def run(self) -> None:
        lacks = total(self._requests())
        self._expect(lacks)
        if lacks != Totals():
            self._populate(lacks)
        self._faults.raise_if_skipped()

    def prepare(self) -> None:
        self._check_files()
        self._backing = self._new_backing()
        self._populator.release()
        self._top.flush()
        self._context.fail_point("pull.prepared")

    def commit(self) -> PullResult:
        written = Backing(
            self._top.header.backing_file, self._top.header.backing_format
        )
        if written != self._backing:
            rewrite_backing(
                self._top,
                self._backing.name,
                self._backing.format,
                self._context.fail_point,
            )
        self._context.fail_point("pull.header_written")
        return self._result()

    def abort(self) -> None:
        # After a failed flush nothing may be written any more, and nothing is:
        # the space reserved is then free space at the end of the file.
        with suppress(ServiceError):
            self._populator.release()

    def clean(self) -> None:
        # What matters was flushed by prepare and commit, whose errors count.
        with suppress(ServiceError):
            self._chain.close()

    def _expect(self, lacks: Totals) -> None:
        """Progress counts from what the first attempt found to do."""
        if not self._state.total:
            self._state = replace(self._state, total=lacks.copy)
        before = max(0, self._state.total - lacks.copy)
        self._context.meter.expect(before + lacks.copy)
        # What earlier attempts published is one range behind the guest's bytes:
        # which ones they were no longer matters, and no list of them is kept.
        self._context.meter.done(self._shape.size, before)

    def _requests(self) -> Iterator[Request]:
        return plan(lacking(self._chain, self._base), self._shape)

    def _populate(self, lacks: Totals) -> None:
        now = self._context.clock.now
        feed = Feed(self._requests(), self._shape.cluster, now)
        with ExitStack() as closing:
            engine = Engine(
                self._route(lacks, closing), self._shape.cluster, self._tuning.workers
            )
            closing.callback(engine.close)
            population = Population(
                feed,
                engine,
                Overlay(
                    self._populator, self._chain.top.raw.flush, self._shape.marks_zeros
                ),
                self._context.fail_point,
                lambda seconds: self._context.meter.spend("flushing", seconds),
                now,
            )
            while not population.is_done:
                self._step(population, feed)

    def _step(self, population: Population, feed: Feed) -> None:
        published = population.step(self._tuning.limits)
        self._save(published)
        if published.failure is None:
            self._faults.clear()
        else:
            self._faults.handle(published.failure, feed)
        self._context.checkpoint()

    def _route(self, lacks: Totals, closing: ExitStack) -> Route:
        top, below = self._chain.top, self._chain.layers[1:]
        sink = Sink(top.raw, self._tuning.ways)
        closing.callback(sink.close)
        sink.open()
        for layer in below:
            expect_sequential(layer.raw.fd)
        space = Space(self._populator.reserve, self._shape.cluster)
        space.expect(lacks.copy)
        return Route(
            source=Source([layer.raw for layer in self._chain.layers], self._top),
            space=space,
            sink=sink,
            pace=self._context,
            tally=self._context.meter,
            now=self._context.clock.now,
            keeps_zeros=self._shape.writes_zeros,
        )

    def _save(self, published: Published) -> None:
        """What was published is durable: now it may be claimed."""
        if not (published.copied or published.zeroed):
            return
        self._state = replace(
            self._state,
            copied=self._state.copied + published.copied,
            zeroed=self._state.zeroed + published.zeroed,
        )
        status = PullStatus(
            published_bytes=self._state.copied + self._state.zeroed,
            checkpoint_time=self._context.clock.wall(),
            link_count=self._state.link_count,
        )
        self._context.save(encode_state(self._state), status)
        self._context.fail_point("pull.checkpoint_saved")

    def _check_files(self) -> None:
        """The header is written to a file: it must be the one that the path names."""
        kept = self._chain.layers[: 1 if self._base is None else self._base + 1]
        for layer in {0: kept[0], -1: kept[-1]}.values():
            still_there(self._roots, layer.place, layer.identity)

    def _new_backing(self) -> Backing:
        if self._base is None:
            return Backing()
        base, above = self._chain.layers[self._base], self._chain.layers[self._base - 1]
        assert above.backing_file is not None
        top = self._chain.top.place
        name = backing_name(above.backing_file, above.place, top, base.place)
        # Text alone cannot know about links: the name must lead to the file.
        still_there(self._roots, self._roots.refer(top, name), base.identity)
        return Backing(name, base.format.value)

    def _result(self) -> PullResult:
        backing = self._backing
        base = None if self._base is None else self._chain.layers[self._base]
        return PullResult(
            copied_bytes=self._state.copied,
            zeroed_bytes=self._state.zeroed,
            skipped_bytes=0,  # a pull that skipped has failed
            backing=None if base is None else ImageRef(base.uri, base.format.value),
            backing_name=backing.name or "",
            duration=(self._context.clock.wall() - self._state.start_time) / SECOND,
        )
