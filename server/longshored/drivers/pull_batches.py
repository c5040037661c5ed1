"""The copying part of a pull: batches until the top lacks nothing, each one saved."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import islice

from ..block.chain import Chain
from ..block.copy.engine import WORKERS, Engine
from ..block.copy.feed import BatchLimits, Feed
from ..block.copy.lacking import lacking
from ..block.copy.plan import Request, Shape, Totals, plan, total
from ..block.copy.populate import Overlay, Population, Published
from ..block.copy.reflinks import Reflinks
from ..block.copy.sink import Sink, Way
from ..block.copy.source import Source, expect_sequential
from ..block.copy.space import Space
from ..block.copy.turns import Turns
from ..block.copy.worker import Route
from ..block.qcow2.bulk import Populator
from ..block.qcow2.image import Qcow2Node
from ..errors import Kind, ServiceError
from ..job.spec import PullStatus
from .base import Context
from .faults import Faults
from .images import space_available
from .pull_state import PullState, encode_state


@dataclass(frozen=True, slots=True)
class Tuning:
    """How the bytes move; the defaults are what bench/pull.py found best."""

    workers: int = WORKERS
    ways: tuple[Way, ...] = (Way.DROP, Way.DIRECT, Way.CACHED)
    limits: BatchLimits = field(default_factory=BatchLimits)
    reflinks: bool = True  # share blocks where the file system can


MEASURED = Tuning()

# Some milliseconds of planning, also where every table has to be read.
_COUNTED_AT_ONCE = 1_000


def shape_of(chain: Chain, base: int | None) -> Shape:
    return Shape(
        size=chain.size,
        cluster=_top(chain).header.cluster_size,
        subcluster=_top(chain).header.subcluster_size,
        keeps_base=base is not None,
        can_zero=_top(chain).header.version >= 3,
    )


def requests_of(chain: Chain, base: int | None) -> Iterator[Request]:
    """What has to move, from metadata only, found while it is iterated."""
    return plan(lacking(chain, base), shape_of(chain, base))


class PullBatches:
    """One attempt's copying. `state` is what the last checkpoint claims."""

    def __init__(
        self,
        context: Context,
        chain: Chain,
        base: int | None,
        state: PullState,
        tuning: Tuning,
        turns: Turns,
    ) -> None:
        # Set once.
        self._context = context
        self._chain = chain
        self._base = base
        self._tuning = tuning
        self._turns = turns
        self._shape = shape_of(chain, base)
        self._populator = Populator(_top(chain), context.fail_point)
        self._faults = Faults(context, chain)
        # Changed after each batch.
        self.state = state
        self._left = 0
        self._has_moved = False

    def run(self) -> None:
        lacks = self._lacks()
        self._expect(lacks)
        moved_before = self.state.copied + self.state.zeroed
        if lacks != Totals():
            self._populate(lacks)
        self._faults.raise_if_skipped()
        self._check_all_moved(
            lacks, self.state.copied + self.state.zeroed - moved_before
        )

    def _lacks(self) -> Totals:
        """What has to move; who wants the job to stop need not wait for all of it."""
        requests = requests_of(self._chain, self._base)
        lacks = Totals()
        while (more := total(islice(requests, _COUNTED_AT_ONCE))) != Totals():
            lacks += more
            self._context.checkpoint()
        return lacks

    def release(self) -> None:
        """Give back the space that was reserved and not used."""
        # Who has moved nothing has reserved nothing, unless an attempt before was
        # killed; to open the writer of a large image is not free.
        if self._has_moved or self._context.attempt > 1:
            self._populator.release()

    def tidy(self) -> None:
        """Leave the top as it should be: with no space in vain, and not dirty."""
        if _top(self._chain).header.dirty:
            self._populator.release()  # who opens the writer counts it anew
        self.release()

    def _check_all_moved(self, lacks: Totals, moved: int) -> None:
        """The images below are given up next: a byte forgotten here would be lost."""
        if moved != lacks.copy + lacks.zero:
            raise ServiceError(
                Kind.INTERNAL,
                "The pull has not moved as many bytes as it planned, so the backing "
                "file stays",
                planned_bytes=lacks.copy + lacks.zero,
                moved_bytes=moved,
                uri=self._chain.top.uri,
            )

    def _expect(self, lacks: Totals) -> None:
        """Progress counts from what the first attempt found to do."""
        if not self.state.total:
            self.state = replace(self.state, total=lacks.copy)
        before = max(0, self.state.total - lacks.copy)
        self._context.meter.expect(before + lacks.copy, before=before)
        self._left = lacks.copy

    def _populate(self, lacks: Totals) -> None:
        self._has_moved = True
        requests = requests_of(self._chain, self._base)
        feed = Feed(requests, self._shape.cluster, self._context.clock.now)
        with ExitStack() as closing:
            population = self._population(feed, lacks, closing)
            while not population.is_done:
                self._step(population, feed)

    def _step(self, population: Population, feed: Feed) -> None:
        published = population.step(self._tuning.limits)
        self._save(published, feed.depth)
        if published.failure is None:
            self._faults.clear()
        else:
            self._note_space(published.failure.error)
            self._faults.handle(published.failure, feed)
        self._context.checkpoint()

    def _note_space(self, error: ServiceError) -> None:
        if error.kind is Kind.NO_SPACE:
            error.facts["needed_bytes"] = self._left
            if (space := space_available(self._chain)) is not None:
                error.facts["available_bytes"] = space

    def _population(self, feed: Feed, lacks: Totals, closing: ExitStack) -> Population:
        raw, meter = self._chain.top.raw, self._context.meter
        turn = self._turns.of(raw.identity.device)
        sink = Sink(raw, self._tuning.ways, turn)
        closing.callback(sink.close)
        sink.open()
        route = self._route(lacks, sink)
        engine = Engine(route, self._shape.cluster, self._tuning.workers)
        overlay = Overlay(self._populator, raw.flush, self._shape.marks_zeros)
        return Population(
            feed,
            engine,
            overlay,
            self._context.fail_point,
            lambda seconds: meter.spend("flushing", seconds),
            self._context.clock.now,
        )

    def _route(self, lacks: Totals, sink: Sink) -> Route:
        for layer in self._chain.layers[1:]:
            expect_sequential(layer.raw.fd)
        space = Space(self._populator.reserve, self._shape.cluster)
        space.expect(lacks.copy)
        files = [layer.raw for layer in self._chain.layers]
        return Route(
            source=Source(files, self._chain.top.node),
            space=space,
            sink=sink,
            reflinks=Reflinks(files, files[0]) if self._tuning.reflinks else None,
            pace=self._context,
            tally=self._context.meter,
            now=self._context.clock.now,
            keeps_zeros=self._shape.writes_zeros,
        )

    def _save(self, published: Published, depth: int) -> None:
        """What was published is durable: now it may be claimed."""
        if not (published.copied or published.zeroed):
            return
        self.state = replace(
            self.state,
            copied=self.state.copied + published.copied,
            zeroed=self.state.zeroed + published.zeroed,
        )
        self._left = max(0, self._left - published.copied)
        status = PullStatus(
            published_bytes=self.state.copied + self.state.zeroed,
            checkpoint_time=self._context.clock.wall(),
            link_count=self.state.link_count,
            current_depth=depth,
        )
        self._context.save(encode_state(self.state), status)
        self._context.fail_point("pull.checkpoint_saved")


def _top(chain: Chain) -> Qcow2Node:
    assert isinstance(chain.top.node, Qcow2Node), "the driver takes qcow2 only"
    return chain.top.node
