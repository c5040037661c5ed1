"""Is an image sound? Counts every reference and compares with what is stored.

Stored more than real is a leak: space lost, nothing wrong. Stored less than real
is corruption: the next allocation may overwrite data. So is a COPIED flag that
does not say what the counter says, and a pointer that leads nowhere.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from .headerfile import read_header
from .hostfile import HostFile
from .layout import refuse_unsupported
from .refcount import open_refcounts
from .tables import (
    COMPRESSED,
    COPIED,
    HOST_OFFSET,
    Geometry,
)
from .tally import Findings, Tally, Walk, tally


class _Name(NamedTuple):
    """Which entry: of the L1 table, or of an L2 table."""

    l1_index: int
    l2_index: int | None = None

    def __str__(self) -> str:
        if self.l2_index is None:
            return f"L1 entry {self.l1_index}"
        return f"L2 entry {self.l1_index}/{self.l2_index}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """How many of each kind, and the first of them in words."""

    leaks: int
    corruptions: int
    messages: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not self.leaks and not self.corruptions


def check(host: HostFile) -> CheckReport:
    """Look at everything, change nothing. Raises only if the header is unusable."""
    walk = open_walk(host)
    damage, leaks = Findings(), Findings()
    real = tally(walk, damage)
    compare(walk, real, damage, leaks)
    _check_copied(walk, damage)
    messages = (*damage.shown, *leaks.shown)
    return CheckReport(leaks.total, damage.total, messages)


def open_walk(host: HostFile) -> Walk:
    header = read_header(host)
    refuse_unsupported(header)
    return Walk(host, header, open_refcounts(host, header), Geometry.of(header))


def compare(walk: Walk, real: Tally, damage: Findings, leaks: Findings) -> None:
    """Note each cluster whose stored counter is not the real one."""
    stored_blocks = set(walk.refcounts.blocks())
    for index in sorted(stored_blocks | set(real.chunks)):
        stored = walk.refcounts.block_counts(index)
        counted = real.chunks.get(index) or array("I", [0]) * len(stored)
        if array("Q", stored) == array("Q", counted):
            continue
        for inside, (have, want) in enumerate(zip(stored, counted, strict=True)):
            if have == want:
                continue
            cluster = index * walk.refcounts.per_block + inside
            text = f"cluster {cluster} has refcount {have}, references {want}"
            (leaks if have > want else damage).note(text)


def active_clusters(walk: Walk) -> Iterator[int]:
    """Where entries of the active tree point to, which are those with a COPIED flag."""
    for _, entry in _active_entries(walk):
        yield (entry & HOST_OFFSET) >> walk.geometry.cluster_bits


def _check_copied(walk: Walk, damage: Findings) -> None:
    """COPIED, in the active tree only, means: exactly one reference."""
    for name, entry in _active_entries(walk):
        cluster = (entry & HOST_OFFSET) >> walk.geometry.cluster_bits
        count = walk.refcounts.count(cluster)
        if bool(entry & COPIED) != (count == 1):
            damage.note(f"{name} has COPIED={bool(entry & COPIED)}, refcount {count}")


def _active_entries(walk: Walk) -> Iterator[tuple[_Name, int]]:
    l1 = next(iter(walk.l1_tables()))
    width = walk.geometry.words_per_entry
    for l1_index in (at for at, entry in enumerate(l1) if entry):
        offset = l1[l1_index] & HOST_OFFSET
        yield _Name(l1_index), l1[l1_index]
        if offset + walk.header.cluster_size > walk.file_size:
            continue
        for l2_index, entry in enumerate(walk.l2_table(offset)[::width]):
            if entry & HOST_OFFSET and not entry & COMPRESSED:
                yield _Name(l1_index, l2_index), entry
