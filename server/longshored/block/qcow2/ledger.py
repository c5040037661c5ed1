"""What the metadata of an image is to become, and the order in which it becomes so.

Changes are gathered in memory, where readers of this process see them at once,
and `commit` puts them on the disk. At every instant of it the counters on the
disk cover every pointer on the disk (facts §8), so a crash leaves at worst
clusters that are counted and not used:

    1  counters, new L2 tables, and the data they will point to   flush
    2  table entries of new counter blocks, or the header switch  flush
    3  changed L2 entries, then L1 entries                        flush
    4  counters of what nobody points to any more

Step 2 is left out when no block is new. A write or flush that fails is final:
what is on the disk is then unknown, and the ledger refuses further work.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from ...errors import Kind, ServiceError
from ...units import KiB, MiB
from .allocate import Allocator
from .hostfile import HostFile
from .layout import Header
from .refcount import Refcounts
from .tables import COPIED, HOST_OFFSET, Geometry, Words, encode_words, l1_entry

COMMIT_POINTS = (
    "publish.tables_written",
    "publish.refcounts_written",
    "publish.refcounts_flushed",
    "publish.refcount_table_written",
    "publish.refcount_table_flushed",
    "publish.l2_written",
    "publish.l1_written",
    "publish.flushed",
    "publish.freed",
)
"""Where a test may crash a commit: after each ordered step, in this order."""

CrashPoint = Callable[[str], None]

# Changed tables are committed when they grow past this, whoever waits.
MAX_CHANGED = 16 * MiB
# L1 entries are written in pieces of this: a few neighbours cost one call.
_L1_PIECE = 4 * KiB // 8


def no_crash(name: str) -> None:
    """The crash point of production: nothing happens."""


class Tables(Protocol):
    """The L1 and L2 tables as readers see them."""

    @property
    def l1(self) -> Words: ...
    def l2_table(self, l1_index: int) -> Words | None:
        """The table, or None where the L1 entry is empty. Not to be changed."""

    def replace(self, l1_index: int, entry: int, table: Words) -> None:
        """From now on readers see this; kept until `settle`."""

    def note_reuse(self) -> None:
        """Clusters that were replaced may from now on be written over."""

    def settle(self) -> None:
        """The file holds what was replaced; it may leave the memory."""


@dataclass(slots=True)
class _Changed:
    words: Words
    offset: int
    first: int  # the words that the file lacks
    end: int
    is_new: bool


class Ledger:
    """The changes of one opened image. One writer at a time."""

    def __init__(
        self,
        host: HostFile,
        header: Header,
        tables: Tables,
        refcounts: Refcounts,
        allocator: Allocator,
    ) -> None:
        # Set once.
        self.host = host
        self.geometry = Geometry.of(header)
        self.allocator = allocator
        self._l1_offset = header.l1_offset
        self._tables = tables
        self._refcounts = refcounts
        # Changed by the one writer only.
        self._changed: dict[int, _Changed] = {}
        self._changed_l1: set[int] = set()
        self._failed: BaseException | None = None

    @property
    def changed_bytes(self) -> int:
        return len(self._changed) * self.geometry.cluster_size

    def is_shared(self, entry: int) -> bool:
        """True if the cluster of an entry must be copied before it is written."""
        cluster = (entry & HOST_OFFSET) >> self.geometry.cluster_bits
        return not entry & COPIED or self._refcounts.count(cluster) > 1

    def l2_table(self, l1_index: int) -> Words | None:
        changed = self._changed.get(l1_index)
        return changed.words if changed else self._tables.l2_table(l1_index)

    def needs_l2_cluster(self, l1_index: int) -> bool:
        """True if a change in this table takes a new cluster for it first."""
        entry = self._tables.l1[l1_index]
        return not entry or self.is_shared(entry)

    def change_l2(self, l1_index: int, first: int, words: Words) -> None:
        """Put words into a table, which is made or copied first if it must be."""
        changed = self._changed.get(l1_index) or self._open_table(l1_index)
        end = first + len(words)
        changed.words[first:end] = words
        changed.first, changed.end = min(changed.first, first), max(changed.end, end)

    def free(self, host_offset: int, clusters: int = 1) -> None:
        """Nobody will point here once the change is on the disk."""
        self.allocator.free(host_offset >> self.geometry.cluster_bits, clusters)

    def commit(self, crash_point: CrashPoint = no_crash) -> None:
        """Return once every change, and all data written before, is durable."""
        with self.final_errors():
            self._write_what_is_pointed_to(crash_point)
            self._write_pointers(crash_point)
            self._tables.settle()
            self._changed.clear()
            self._changed_l1.clear()
            if self.allocator.settle():
                self._tables.note_reuse()
                # No flush: until it is durable the clusters are merely leaked.
                self._refcounts.write_blocks()
                crash_point("publish.freed")

    @contextmanager
    def final_errors(self) -> Iterator[None]:
        """No second try after a failure: the kernel may have dropped what it held."""
        self.check_accepts()
        try:
            yield
        except BaseException as error:
            self.refuse_more(error)
            raise

    def refuse_more(self, error: BaseException) -> None:
        """Nothing is written any more, because of this."""
        self._failed = error

    def check_accepts(self) -> None:
        """Raise if an earlier failure was final."""
        if self._failed is not None:
            raise ServiceError(
                Kind.IO_ERROR,
                "An earlier write to this image failed, what it holds is not known",
                uri=self.host.uri,
            ) from self._failed

    def _open_table(self, l1_index: int) -> _Changed:
        size = self.geometry.l2_entries * self.geometry.words_per_entry
        old = self._tables.l1[l1_index]
        table = self._tables.l2_table(l1_index)
        words = table[:] if table is not None else Words("Q", bytes(8 * size))
        if old and not self.is_shared(old):
            changed = _Changed(words, old & HOST_OFFSET, size, 0, is_new=False)
        else:
            offset = self.allocator.append(1) << self.geometry.cluster_bits
            changed = _Changed(words, offset, 0, size, is_new=True)
            self._changed_l1.add(l1_index)
        if old and changed.is_new:
            self.free(old & HOST_OFFSET)
        self._changed[l1_index] = changed
        self._tables.replace(l1_index, l1_entry(changed.offset), words)
        return changed

    def _write_what_is_pointed_to(self, crash_point: CrashPoint) -> None:
        for changed in self._changed.values():
            if changed.is_new:
                self._write_words(changed)
        crash_point("publish.tables_written")
        self._refcounts.write_blocks()
        crash_point("publish.refcounts_written")
        self.host.flush()
        crash_point("publish.refcounts_flushed")
        if self._refcounts.write_table():
            crash_point("publish.refcount_table_written")
            self.host.flush()
            crash_point("publish.refcount_table_flushed")

    def _write_pointers(self, crash_point: CrashPoint) -> None:
        if not self._changed:
            return
        for changed in self._changed.values():
            if not changed.is_new:
                self._write_words(changed)
        crash_point("publish.l2_written")
        self._write_l1()
        crash_point("publish.l1_written")
        self.host.flush()
        crash_point("publish.flushed")

    def _write_words(self, changed: _Changed) -> None:
        data = encode_words(changed.words[changed.first : changed.end])
        self.host.pwrite(changed.offset + changed.first * 8, data)

    def _write_l1(self) -> None:
        for piece in sorted({index // _L1_PIECE for index in self._changed_l1}):
            first = piece * _L1_PIECE
            words = self._tables.l1[first : first + _L1_PIECE]
            self.host.pwrite(self._l1_offset + first * 8, encode_words(words))
