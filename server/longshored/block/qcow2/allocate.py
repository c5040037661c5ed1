"""Where new clusters come from, and when freed ones may be used again.

The counters in memory are the truth: an allocated cluster has its count at once.
A freed one keeps its count until `settle`, which the ledger calls when no durable
pointer leads to it any more; before that nobody can be given it. Clusters that
are reserved have no count and no pointer: after a crash they are free space.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator

from ...errors import Kind, ServiceError
from ...units import round_up
from .damage import damage, invalid
from .hostfile import HostFile
from .layout import MAX_REFCOUNT_TABLE_BYTES
from .refcount import Refcounts


class Occupied:
    """Clusters that hold metadata. If one is handed out, the counters are wrong."""

    def __init__(self, ranges: Iterable[range]) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []
        self._set(ranges)

    def forget(self, clusters: range) -> None:
        """What lay there has moved: whoever is given these clusters may have them."""
        known = map(range, self._starts, self._stops)
        self._set([part for one in known for part in _without(one, [clusters])])

    def _set(self, ranges: Iterable[range]) -> None:
        ordered = sorted(ranges, key=lambda clusters: clusters.start)
        self._starts = [clusters.start for clusters in ordered]
        self._stops = []
        for clusters in ordered:
            before = self._stops[-1] if self._stops else 0
            self._stops.append(max(before, clusters.stop))

    def meets(self, first: int, count: int) -> bool:
        index = bisect_right(self._starts, first + count - 1)
        return index > 0 and self._stops[index - 1] > first


class Allocator:
    """Hands out clusters of one file. One writer at a time."""

    def __init__(
        self,
        host: HostFile,
        refcounts: Refcounts,
        occupied: Occupied,
        *,
        first: int | None = None,
    ) -> None:
        # Set once.
        self._host = host
        self._refcounts = refcounts
        self._cluster = refcounts.cluster_size
        self._occupied = occupied
        # Behind it nothing is used or promised.
        self._end = refcounts.end_of_use() if first is None else first
        # Up to here the disk has promised its space, from `_end` on.
        self._roomy_until = 0
        # Nothing is free below.
        self._hint = 1
        # No run below is long enough for who reserves.
        self._reserve_from = 1
        self._reserved: list[range] = []
        self._freed: list[tuple[int, int]] = []

    @property
    def end(self) -> int:
        """Host bytes in use, promises included."""
        return self._end * self._cluster

    def room(self, clusters: int, claims: Iterable[tuple[int, int]] = ()) -> None:
        """Make sure that the disk has space for so many more, or change nothing.

        `claims` are reserved runs (first, count), whose counters need space too.
        """
        missing = self._refcounts.missing_blocks
        blocks = {index for first, count in claims for index in missing(first, count)}
        if clusters or blocks:
            more = self._with_counters(clusters, blocks)
            self._allocate_to(self._end + more)

    def append(self, clusters: int) -> int:
        """Fresh clusters side by side at the end of the file."""
        first = self._promise(clusters)
        self.claim(first, clusters)
        return first

    def take(self, clusters: int) -> int:
        """Clusters side by side, in free space if it has a run that is long enough."""
        first = self._find(clusters)
        if first is None:
            return self.append(clusters)
        self.claim(first, clusters)
        return first

    def reserve(self, clusters: int, least: int) -> range:
        """Clusters side by side, without counts: a promise in memory, space on disk.

        A run of free ones if there is one of at least so many, such as an attempt
        that was killed leaves behind; else all of them at the end of the file.
        """
        run = self._reuse(clusters, least)
        if run is None:
            self._allocate_to(self._end + clusters)
            first = self._promise(clusters)
            run = range(first, first + clusters)
        if self._reserved and self._reserved[-1].stop == run.start:
            self._reserved[-1] = range(self._reserved[-1].start, run.stop)
        else:
            self._reserved.append(run)
        return run

    def unreserve(self) -> None:
        """What was reserved and not claimed is free space again, of the disk too."""
        self._end = self._refcounts.end_of_use()
        for run in self._reserved:
            stop = min(run.stop, self._end)  # the rest is cut off by `trim`
            for first, count in self._refcounts.free_runs(run.start, stop):
                self._discard(first, count)
        self._reserved.clear()
        self._hint = self._reserve_from = 1

    def claim(self, first: int, clusters: int) -> None:
        """Give free clusters their first reference."""
        if self._occupied.meets(first, clusters):
            raise damage(
                "Metadata of this image lies in clusters that its refcounts call free",
                what="refcount",
                host_offset=first * self._cluster,
                uri=self._host.uri,
            )
        for index in self._refcounts.missing_blocks(first, clusters):
            self.cover(index)
        self._refcounts.take(first, clusters)

    def cover(self, index: int) -> None:
        """Make sure that a block of counters exists."""
        if index >= self._refcounts.capacity:
            self._grow_table(index)
        if self._refcounts.has_block(index):
            return  # the growth of the table may have brought it
        cluster = self._promise(1)
        self._refcounts.add_block(index, cluster)
        self.claim(cluster, 1)  # counted in the new block itself, or in another

    def free(self, first: int, clusters: int = 1) -> None:
        """Forget one reference to each, as soon as that is durable elsewhere."""
        self._freed.append((first, clusters))

    def settle(self) -> bool:
        """No durable pointer leads to what was freed: count it so. True if any."""
        freed, self._freed = self._freed, []
        for first, clusters in freed:
            self._refcounts.drop(first, clusters)
            self._hint = min(self._hint, first)
            self._reserve_from = min(self._reserve_from, first)
        return bool(freed)

    def trim(self) -> None:
        """Cut off what the file has behind the last cluster in use."""
        if self._host.size > self.end and not self._host.is_device:
            self._host.truncate(self.end)
            self._roomy_until = 0

    def _promise(self, clusters: int) -> int:
        first, self._end = self._end, self._end + clusters
        if self.end > self._host.size:
            self._host.truncate(self.end)
        return first

    def _allocate_to(self, end: int) -> None:
        if self._host.is_device and end * self._cluster > self._host.size:
            raise ServiceError(
                Kind.NO_SPACE,
                "The block device is too small for what the image needs",
                needed=end * self._cluster,
                available=self._host.size,
                uri=self._host.uri,
            )
        start = max(self._end, self._roomy_until)
        if end <= start:
            return
        size = self._host.size
        try:
            self._host.allocate(start * self._cluster, (end - start) * self._cluster)
        except BaseException:
            # A file system may have grown the file before it found itself full.
            if not self._host.is_device:
                self._host.truncate(size)
            raise
        self._roomy_until = end

    def _reuse(self, clusters: int, least: int) -> range | None:
        """The first run of free clusters that is long enough, with its space."""
        for free in _joined(self._free_from(self._reserve_from), clusters):
            if len(free) >= least:
                self._reserve_from = free.start
                return self._allocated(free[:clusters])
        self._reserve_from = self._end
        return None

    def _allocated(self, run: range) -> range:
        try:
            self._host.allocate(run.start * self._cluster, len(run) * self._cluster)
        except BaseException:
            # A file system may have given a part before it found itself full.
            self._discard(run.start, len(run))
            raise
        return run

    def _discard(self, first: int, count: int) -> None:
        self._host.discard(first * self._cluster, count * self._cluster)

    def _find(self, clusters: int) -> int | None:
        seen_free = False
        for free in self._free_from(self._hint):
            if not seen_free:
                self._hint, seen_free = free.start, True
            if len(free) >= clusters:
                return free.start
        if not seen_free:
            self._hint = self._end
        return None

    def _free_from(self, first: int) -> Iterator[range]:
        """Runs that are neither counted nor reserved, cut at the borders of blocks."""
        for start, count in self._refcounts.free_runs(first, self._end):
            yield from _without(range(start, start + count), self._reserved)

    # Growth of the counters themselves.

    def _with_counters(self, clusters: int, blocks: set[int]) -> int:
        """What so many clusters and these blocks need with all that counts them.

        Of a file it is an upper bound: it can grow, and is cut off in the end.
        """
        if self._host.is_device:
            blocks = self._all_blocks(clusters, blocks)
            if all(index < self._refcounts.capacity for index in blocks):
                return clusters + len(blocks)
        return self._at_most(clusters + len(blocks))

    def _all_blocks(self, clusters: int, blocks: set[int]) -> set[int]:
        """These, and those that clusters at the end need, theirs among them."""
        more = clusters + len(blocks)
        found = blocks.union(self._refcounts.missing_blocks(self._end, more))
        return found if found == blocks else self._all_blocks(clusters, found)

    def _at_most(self, clusters: int) -> int:
        per_block = self._refcounts.per_block
        blocks = clusters // per_block + 3
        entries = (self._end + clusters + blocks) // per_block + 1
        if entries <= self._refcounts.capacity:
            return clusters + blocks
        table = self._table_clusters_for(entries) + 1
        return clusters + blocks + table + (table + blocks) // per_block + 2

    def _grow_table(self, index: int) -> None:
        old_first = self._refcounts.table_offset // self._cluster
        old_clusters = self._refcounts.table_clusters
        # The table must also reach the clusters it lies in itself.
        behind = self._end + self._table_clusters_for(index + 1)
        reach = max(index, behind // self._refcounts.per_block) + 2
        clusters = self._table_clusters_for(reach)
        first = self._promise(clusters)
        self._refcounts.move_table(first, clusters)
        self.claim(first, clusters)
        self.free(old_first, old_clusters)
        # Their counts keep them from everybody until they are settled.
        self._occupied.forget(range(old_first, old_first + old_clusters))

    def _table_clusters_for(self, entries: int) -> int:
        """Half as much again as is needed, so that it seldom moves."""
        needed = entries * 8
        if needed > MAX_REFCOUNT_TABLE_BYTES:
            raise invalid(
                "The image cannot grow further, its refcount table is full",
                what="refcount table bytes",
                value=needed,
                limit=MAX_REFCOUNT_TABLE_BYTES,
                uri=self._host.uri,
            )
        wanted = min(needed * 3 // 2, MAX_REFCOUNT_TABLE_BYTES)
        return round_up(wanted, self._cluster) // self._cluster


def _without(clusters: range, reserved: Iterable[range]) -> Iterable[range]:
    """The parts of a run that nobody was promised."""
    start = clusters.start
    for taken in sorted(reserved, key=lambda taken: taken.start):
        if taken.stop <= start or taken.start >= clusters.stop:
            continue
        if start < taken.start:
            yield range(start, taken.start)
        start = taken.stop
    if start < clusters.stop:
        yield range(start, clusters.stop)


def _joined(runs: Iterable[range], most: int) -> Iterator[range]:
    """Runs in order; those that touch are one, until it is as long as `most`."""
    held = range(0)
    for run in runs:
        if held.stop == run.start and len(held) < most:
            held = range(held.start, run.stop)
            continue
        if held:
            yield held
        held = run
    if held:
        yield held
