"""Making stored counters real again: leaks given back, stale counts and what is said
of them renewed."""

from collections.abc import Iterator

from ...errors import ServiceError
from .allocate import Allocator, Occupied
from .check import active_clusters, open_walk
from .damage import invalid
from .hostfile import HostFile
from .refcount import largest
from .tables import COMPRESSED, COPIED, HOST_OFFSET, Words, encode_words
from .tally import Findings, Tally, Walk, tally


def reclaim_leaks(host: HostFile) -> int:
    """Lower every count that is larger than the references; say how many.

    A count of two or more that would become one stays as it is where the active tree
    points there: its entry would need a new COPIED flag. An image with damage is left
    alone.
    """
    walk = open_walk(host)
    real = _sound_tally(walk)
    too_large = dict(_too_large(walk, real))
    if 1 in too_large.values():
        for cluster in active_clusters(walk):
            if too_large.get(cluster) == 1:
                del too_large[cluster]
    for cluster, count in too_large.items():
        walk.refcounts.set(cluster, count)
    if walk.refcounts.write_blocks():
        host.flush()
    return len(too_large)


def rebuild_refcounts(host: HostFile) -> None:
    """Set every counter, and every COPIED flag, to what the pointers say, as a dirty
    image needs it.

    Durable when it returns. Each counter goes straight to its real value, so
    none is too small on the way.
    """
    walk = open_walk(host)
    real = _sound_tally(walk)
    refcounts = walk.refcounts
    # Stored counts may be too small: what is behind the last pointer is free.
    known = max(real.end(), refcounts.end_of_use())
    allocator = Allocator(host, refcounts, Occupied([range(known)]), first=known)
    for index in sorted(set(real.chunks) | set(refcounts.blocks())):
        allocator.cover(index)
        _set_block(walk, real, index, known)
    refcounts.write_blocks()
    host.flush()
    if refcounts.write_table():
        host.flush()
    if allocator.settle():  # the old place of a table that moved
        refcounts.write_blocks()
        host.flush()
    _renew_flags(walk)


def _renew_flags(walk: Walk) -> None:
    """COPIED in the active tree as the counters on disk say by now: a flag too many
    would let a writer change in place what a snapshot shows."""
    width = walk.geometry.words_per_entry
    l1 = next(iter(walk.l1_tables()))
    for entry in filter(None, l1):
        offset = entry & HOST_OFFSET
        table = walk.l2_table(offset)
        _write_renewed(walk, offset, table, width)
    _write_renewed(walk, walk.header.l1_offset, l1, 1)
    walk.host.flush()


def _write_renewed(walk: Walk, offset: int, words: Words, width: int) -> None:
    renewed = Words("Q", words)
    for index in range(0, len(words), width):
        entry = words[index]
        if entry & HOST_OFFSET and not entry & COMPRESSED:
            cluster = (entry & HOST_OFFSET) >> walk.geometry.cluster_bits
            copied = COPIED if walk.refcounts.count(cluster) == 1 else 0
            renewed[index] = entry & ~COPIED | copied
    if renewed != words:
        walk.host.pwrite(offset, encode_words(renewed))


def _too_large(walk: Walk, real: Tally) -> Iterator[tuple[int, int]]:
    """Clusters whose counters say too much, and what they should say."""
    for index in list(walk.refcounts.blocks()):
        base = index * walk.refcounts.per_block
        for inside, have in enumerate(walk.refcounts.block_counts(index)):
            if have and have > (want := real.count(base + inside)):
                yield base + inside, want


def _set_block(walk: Walk, real: Tally, index: int, known: int) -> None:
    base = index * walk.refcounts.per_block
    limit = largest(walk.refcounts.order)
    for inside, have in enumerate(walk.refcounts.block_counts(index)):
        want = real.count(base + inside)
        if base + inside >= known or have == want:
            continue
        if want > limit:
            raise _too_many(base + inside, want, limit)
        walk.refcounts.set(base + inside, want)


def _too_many(cluster: int, want: int, limit: int) -> ServiceError:
    return invalid(
        "A cluster has more references than its counter can say",
        what=f"refcount of cluster {cluster}",
        value=want,
        limit=limit,
    )


def _sound_tally(walk: Walk) -> Tally:
    damage = Findings()
    real = tally(walk, damage)
    if damage.total:
        raise invalid(
            "Refcounts cannot be repaired while pointers of the image lead nowhere",
            what="findings",
            value=damage.total,
            first=damage.shown[0],
            uri=walk.host.uri,
        )
    return real
