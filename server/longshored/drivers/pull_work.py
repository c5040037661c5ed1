"""One attempt at a pull: batches until nothing is lacking, then the new header.

    run       copy, flush, publish, checkpoint; again until the plan is empty
    prepare   give back space, flush, look once more at the files by their paths
    commit    the header names the base as backing file, or none

Whatever happens before commit, the chain is valid and shows the same bytes.
What was published stays, and a later pull does not copy it again.
"""

from contextlib import suppress
from dataclasses import dataclass, replace

from ..block.chain import Chain
from ..block.copy import populate
from ..block.qcow2 import bulk
from ..block.qcow2.image import Qcow2Node
from ..block.qcow2.layout import encode_header
from ..block.qcow2.rewrite import REWRITE_POINTS, rewrite_backing
from ..block.roots import Roots
from ..clock import SECOND
from ..errors import ServiceError
from ..job.spec import ImageRef, PullResult
from .backing_name import backing_name
from .base import Context
from .images import still_there
from .pull_batches import PullBatches

FAIL_POINTS = (
    *populate.CRASH_POINTS,
    *bulk.CRASH_POINTS,
    "pull.checkpoint_saved",
    "pull.prepared",
    *REWRITE_POINTS,
    "pull.header_written",
)
"""Where a test may kill or fail a pull."""


@dataclass(frozen=True, slots=True)
class Backing:
    """What the header of the top says of its backing file; both None: it has none."""

    name: str | None = None
    format: str | None = None


class PullWork:
    """Owns the open chain until clean(). `base` is a depth; None: nothing stays."""

    def __init__(
        self,
        context: Context,
        roots: Roots,
        chain: Chain,
        base: int | None,
        batches: PullBatches,
    ) -> None:
        assert isinstance(chain.top.node, Qcow2Node)
        # Set once.
        self._context = context
        self._roots = roots
        self.chain = chain
        self._base = base
        self._top = chain.top.node
        self._batches = batches
        # Set by prepare.
        self._backing = Backing()

    def run(self) -> None:
        self._context.meter.phase("copy", 1, 2)
        self._batches.run()

    def prepare(self) -> None:
        self._context.meter.phase("finalize", 2, 2)
        self._check_files()
        self._backing = self._new_backing()
        # Raises if the header has no room for the name.
        encode_header(replace(self._top.header, backing_file=self._backing.name))
        self._batches.tidy()
        self._top.flush()
        self._context.fail_point("pull.prepared")

    def commit(self) -> PullResult:
        header = self._top.header
        if Backing(header.backing_file, header.backing_format) != self._backing:
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
            self._batches.release()

    def clean(self) -> None:
        # What matters was flushed by prepare and commit, whose errors count.
        with suppress(ServiceError):
            self.chain.close()

    def _check_files(self) -> None:
        """The header is written to a file: it must be the one that the path names."""
        top = self.chain.top
        still_there(self._roots, top.place, top.identity)
        if self._base is not None:
            base = self.chain.layers[self._base]
            still_there(self._roots, base.place, base.identity)

    def _new_backing(self) -> Backing:
        if self._base is None:
            return Backing()
        base, above = self.chain.layers[self._base], self.chain.layers[self._base - 1]
        assert above.backing_file is not None
        top = self.chain.top.place
        name = backing_name(above.backing_file, above.place, top, base.place)
        # Text alone cannot know about links: the name must lead to the file.
        still_there(self._roots, self._roots.refer(top, name), base.identity)
        return Backing(name, base.format.value)

    def _result(self) -> PullResult:
        state = self._batches.state
        base = None if self._base is None else self.chain.layers[self._base]
        return PullResult(
            copied_bytes=state.copied,
            zeroed_bytes=state.zeroed,
            skipped_bytes=0,  # a pull that skipped has failed
            backing=None if base is None else ImageRef(base.uri, base.format.value),
            backing_name=self._backing.name or "",
            duration=(self._context.clock.wall() - state.start_time) / SECOND,
        )
