"""block.pull: populate an overlay from its backing chain, wholly or down to a base.

If a range cannot be read and the policy says skip, the pull goes on with the
rest, keeps the backing file and fails at the end, as QEMU's block-stream does.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ..block.chain import Chain
from ..block.copy.losses import losers
from ..block.copy.plan import Totals, total
from ..block.copy.reflinks import Sharing
from ..block.copy.turns import Turns
from ..block.describe import open_unlocked
from ..block.handle import file_handle
from ..block.links import Link
from ..block.locks import PULL_TOP
from ..block.node import Identity, Mode
from ..block.qcow2.features import Incompatible
from ..block.qcow2.headerfile import naming
from ..block.qcow2.layout import refuse_unsupported
from ..block.roots import Roots
from ..errors import Kind, ServiceError
from ..job.nodes import Node
from ..job.spec import ImageRef, PullSpec, Spec
from ..job.states import Verb
from ..units import round_up
from .base import Context, Plan
from .images import (
    find_base,
    foreign_holders,
    identified,
    open_locked,
    path_of,
    populate_nodes,
    space_available,
    walked,
)
from .pull_batches import MEASURED, PullBatches, Tuning, requests_of, shape_of
from .pull_state import PullState, decode_state
from .pull_work import PullWork

# Snapshots that an error names; an image may have thousands.
MOST_NAMED = 5

CANCEL_LEAVES = (
    "The backing chain as it is and the same visible bytes. What was pulled by then "
    "stays in the top, and another pull goes on from there."
)


class PullDriver:
    kind = "block.pull"
    verbs = frozenset(Verb) - {Verb.COMPLETE}

    def __init__(self, roots: Roots, turns: Turns, tuning: Tuning = MEASURED) -> None:
        self._roots = roots
        self._turns = turns
        self._tuning = tuning

    def nodes(self, spec: Spec) -> tuple[Node, ...]:
        with walked(self._roots, spec.top, spec.backing_chain, Mode.WRITE) as links:
            base = self._base(spec, _known(links))
            _check_headers(links)
            for busy in foreign_holders(links, PULL_TOP):
                raise busy
            nodes = populate_nodes(links, base)
            has_snapshots = links[0].header is not None and links[0].header.snapshots
        if has_snapshots:
            with self._looked_at(spec) as chain:
                _check_snapshots(chain, self._base(spec, _layers(chain)), spec)
        return nodes

    def identify(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        return tuple(identified(self._roots, node) for node in nodes)

    def plan(self, spec: Spec) -> Plan:
        with walked(self._roots, spec.top, spec.backing_chain, Mode.READ) as links:
            nodes = populate_nodes(links, self._base(spec, _known(links)))
        with self._looked_at(spec) as chain:
            base = self._base(spec, _layers(chain))
            made = _plan(chain, base, self._sharing(chain))
            losses = tuple(_losses(chain, base, spec))
        lack = _lack_of_space(made, chain.top.uri)
        obstacles = (*self._obstacles(spec), *losses, *lack)
        return replace(made, nodes=nodes, obstacles=obstacles)

    def start(self, context: Context) -> PullWork:
        spec = context.spec
        chain = open_locked(
            self._roots, spec.top, spec.backing_chain, Mode.WRITE, PULL_TOP
        )
        try:
            base = self._base(spec, _layers(chain))
            _check_snapshots(chain, base, spec)
            state = _state(context, chain)
            batches = PullBatches(
                context, chain, base, state, self._tuning, self._turns
            )
            return PullWork(context, self._roots, chain, base, batches)
        except BaseException:
            chain.close()
            raise

    @contextmanager
    def _looked_at(self, spec: PullSpec) -> Iterator[Chain]:
        """The chain under no lock: to look must be possible while a guest runs on the
        image, or on one below it."""
        declared = [path_of(ref) for ref in spec.backing_chain]
        chain = open_unlocked(self._roots, path_of(spec.top), declared=declared)
        try:
            yield chain
        finally:
            chain.close()

    def _base(
        self, spec: PullSpec, chain: Sequence[tuple[str, Identity, str]]
    ) -> int | None:
        return None if spec.base is None else find_base(self._roots, spec.base, chain)

    def _sharing(self, chain: Chain) -> Sharing | None:
        """What the file system would share with the top; None: nothing."""
        top = chain.top
        if top.raw.is_device or not self._tuning.reflinks:
            return None
        try:
            # Only who may write is told.
            target = self._roots.open_file(top.place, Mode.WRITE)
        except ServiceError:
            return None  # which is an obstacle
        try:
            return Sharing.asked([layer.raw for layer in chain.layers], target)
        finally:
            os.close(target)

    def _obstacles(self, spec: PullSpec) -> Sequence[ServiceError]:
        """What `nodes` would raise; who is in the way, of every link."""
        try:
            with walked(self._roots, spec.top, spec.backing_chain, Mode.WRITE) as links:
                _check_headers(links)
                return tuple(foreign_holders(links, PULL_TOP))
        except ServiceError as error:
            return (error,)


def _check_headers(links: Sequence[Link]) -> None:
    """What can be known from headers alone is refused before a job exists."""
    for link in links:
        if link.header is not None:
            with naming(link.uri):
                refuse_unsupported(link.header)
    top = links[0].header
    assert top is not None, "the spec says qcow2"
    if top.incompatible & Incompatible.CORRUPT:
        raise ServiceError(
            Kind.IMAGE_INVALID,
            "The image is marked as corrupt, it can only be read; repair it first",
            uri=links[0].uri,
        )


def _check_snapshots(chain: Chain, base: int | None, spec: PullSpec) -> None:
    for loss in _losses(chain, base, spec):
        raise loss


def _losses(chain: Chain, base: int | None, spec: PullSpec) -> Iterator[ServiceError]:
    """Why a pull would take data from internal snapshots of the top, unless it may."""
    if spec.allow_snapshot_loss:
        return
    if lost := list(losers(chain, base, shape_of(chain, base))):
        names = ", ".join(lost[:MOST_NAMED])
        if (more := len(lost) - MOST_NAMED) > 0:
            names = f"{names} and {more} more"
        yield ServiceError(
            Kind.TARGET_WRONG_STATE,
            f"Internal snapshots of the image ({names}) show data of the images below "
            "it, which a pull takes from them; delete them, or set allow_snapshot_loss",
            uri=chain.top.uri,
            snapshots=names,
        )


def _known(links: Sequence[Link]) -> list[tuple[str, Identity, str]]:
    return [(link.uri, link.identity, link.format.value) for link in links]


def _layers(chain: Chain) -> list[tuple[str, Identity, str]]:
    return [(one.uri, one.identity, one.format.value) for one in chain.layers]


def _state(context: Context, chain: Chain) -> PullState:
    """Where an earlier attempt stopped, or the beginning."""
    top = chain.top
    # Of a device it is one of the node in /dev, which is made anew at each start.
    handle = "" if top.raw.is_device else file_handle(top.raw.fd)
    if context.saved is not None:
        state = decode_state(context.saved)
        state.check_same(top.identity, handle, chain.size, top.uri)
        return state
    return PullState(
        device=top.identity.device,
        inode=top.identity.inode,
        virtual_size=chain.size,
        total=0,
        start_time=context.clock.wall(),
        link_count=len(chain.layers) - 1,
        handle=handle,
    )


def _plan(chain: Chain, base: int | None, sharing: Sharing | None) -> Plan:
    requests = requests_of(chain, base)
    lacks = total(requests) if sharing is None else total(requests, sharing.covers)
    return Plan(
        read=lacks.copy - lacks.reflink,
        write=lacks.copy - lacks.reflink,
        zero=lacks.zero,
        reflink=lacks.reflink,
        space_needed=_space_needed(lacks, shape_of(chain, base).cluster),
        space_available=space_available(chain),
        chain=tuple(ImageRef(one.uri, one.format.value) for one in chain.layers),
        cancel_leaves=CANCEL_LEAVES,
    )


def _lack_of_space(plan: Plan, uri: str) -> Iterator[ServiceError]:
    free = plan.space_available
    if free is not None and plan.space_needed > free:
        yield ServiceError(
            Kind.NO_SPACE,
            f"The pull takes up to {plan.space_needed} bytes, and the file system of "
            f"the top has {free} bytes free",
            uri=uri,
            needed=plan.space_needed,
            available=free,
        )


def _space_needed(lacks: Totals, cluster: int) -> int:
    """An upper bound: what turns out to be zeros takes no space."""
    if lacks == Totals():
        return 0
    clusters = (lacks.copy + lacks.zero) // cluster + 1
    # An entry of 16 bytes and a counter of 8 are the widest that there are; and
    # a table of each at both ends may be begun.
    data = lacks.copy - lacks.reflink
    return round_up(data, cluster) + round_up(24 * clusters, cluster) + 4 * cluster
