"""Is an image sound? Counts every reference and compares with what is stored.

Stored more than real is a leak: space lost, nothing wrong. Stored less than real
is corruption: the next allocation may overwrite data. So is a COPIED flag that
does not say what the counter says, and a pointer that leads nowhere.
"""

from array import array
from dataclasses import dataclass

from .headerfile import read_header
from .hostfile import HostFile
from .layout import refuse_unsupported
from .refcount import open_refcounts
from .tables import (
    COMPRESSED,
    COPIED,
    HOST_OFFSET,
    Geometry,
    Words,
)
from .tally import Findings, Tally, Walk, tally


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


def _check_copied(walk: Walk, damage: Findings) -> None:
    """COPIED, in the active tree only, means: exactly one reference."""
    l1 = next(iter(walk.l1_tables()))
    for index in (at for at, entry in enumerate(l1) if entry):
        offset = l1[index] & HOST_OFFSET
        _check_flag(walk, l1[index], f"L1 entry {index}", damage)
        if offset + walk.header.cluster_size <= walk.file_size:
            _check_copied_in(walk, walk.l2_table(offset), index, damage)


def _check_copied_in(walk: Walk, words: Words, l1_index: int, damage: Findings) -> None:
    width = walk.geometry.words_per_entry
    for index, entry in enumerate(words[::width]):
        if entry & COMPRESSED or not entry & HOST_OFFSET:
            continue
        _check_flag(walk, entry, f"L2 entry {l1_index}/{index}", damage)


def _check_flag(walk: Walk, entry: int, name: str, damage: Findings) -> None:
    count = walk.refcounts.count((entry & HOST_OFFSET) >> walk.geometry.cluster_bits)
    if bool(entry & COPIED) != (count == 1):
        damage.note(f"{name} has COPIED={bool(entry & COPIED)}, refcount {count}")
