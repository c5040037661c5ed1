"""Which host clusters already belong to something."""

from .tables import Geometry


class Claims:
    """A bit for each cluster of the file. Pages of zeros cost nothing."""

    def __init__(self, geometry: Geometry, file_size: int) -> None:
        self._bits = geometry.cluster_bits
        clusters = (file_size >> self._bits) + 1
        self._map = bytearray(clusters // 8 + 1)

    @property
    def total(self) -> int:
        """Clusters that are marked."""
        return int.from_bytes(self._map, "little").bit_count()

    def claim(self, offset: int) -> bool:
        """Mark the cluster; False if it was marked before."""
        cluster = offset >> self._bits
        byte, bit = cluster >> 3, 1 << (cluster & 7)
        if self._map[byte] & bit:
            return False
        self._map[byte] |= bit
        return True

    def claim_run(self, offset: int, length: int) -> bool:
        """The same for every cluster that a range touches, or for none of them."""
        if self.meets(offset, length):
            return False
        self.mark_run(offset, length)
        return True

    def mark_run(self, offset: int, length: int) -> None:
        low, high, mask = self._place(offset, length)
        marked = int.from_bytes(self._map[low:high], "little") | mask
        self._map[low:high] = marked.to_bytes(high - low, "little")

    def meets(self, offset: int, length: int) -> bool:
        """True if a cluster of the range is marked."""
        low, high, mask = self._place(offset, length)
        return bool(int.from_bytes(self._map[low:high], "little") & mask)

    def _place(self, offset: int, length: int) -> tuple[int, int, int]:
        """The bytes of the map that a range touches, and its bits in them."""
        first = offset >> self._bits
        count = (offset + length - 1 >> self._bits) - first + 1
        return first >> 3, (first + count + 7) >> 3, ((1 << count) - 1) << (first & 7)


class SparseClaims:
    """The same for a file too large to map: a few tables in a sea of holes."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def claim(self, offset: int) -> bool:
        if offset in self._taken:
            return False
        self._taken.add(offset)
        return True
