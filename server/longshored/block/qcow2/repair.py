"""Making stored counters real again: leaks given back, stale counts renewed."""

from collections.abc import Iterator

from ...errors import ServiceError
from .allocate import Allocator, Occupied
from .check import active_clusters, open_walk
from .damage import invalid
from .hostfile import HostFile
from .refcount import largest
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
    """Set every counter to what the pointers say, as a dirty image needs it.

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
