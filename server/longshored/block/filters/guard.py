"""Guard: the contract of a node, asserted before each call and after it.

Tests always use it; in production it stands at the outer end, where callers are.
"""

from collections.abc import Iterator

from ...errors import Fact
from ...units import is_aligned
from ..extent import Extent
from ..node import BlockNode, Buffer, Mode
from .base import Filter


class ContractBroken(AssertionError):
    """A bug in this program: a caller asked wrongly, or a node answered wrongly."""


class Guard(Filter):
    def __init__(self, below: BlockNode) -> None:
        super().__init__(below)
        self._closed = False

    def readinto(self, offset: int, buffer: memoryview) -> None:
        _demand(not buffer.readonly, "the buffer can be written", offset=offset)
        _demand(buffer.format == "B" and buffer.contiguous, "the buffer is plain bytes")
        self._check("read", offset, len(buffer))
        super().readinto(offset, buffer)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self._check_write("write", offset, memoryview(data).nbytes)
        super().pwrite(offset, data)

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        # Zeroes carry no data, so the largest request does not bind them.
        self._check_write("write zeroes", offset, length, bounded=False)
        super().write_zeroes(offset, length, unmap=unmap)

    def discard(self, offset: int, length: int) -> None:
        self._check_write("discard", offset, length, bounded=False)
        super().discard(offset, length)

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        count = self.size - offset if length is None else length
        self._check("map", offset, count, bounded=False)
        return self._whole(offset, offset + count)

    def flush(self) -> None:
        self._check_open("flush")
        super().flush()

    def close(self) -> None:
        # Closing twice is allowed: whoever cleans up need not know who was first.
        self._closed = True
        super().close()

    def _whole(self, offset: int, end: int) -> Iterator[Extent]:
        """Pass extents on that lie side by side and fill the range exactly."""
        for extent in self.below.extents(offset, end - offset):
            _demand(extent.start == offset, "extents have no gaps", offset=offset)
            _demand(extent.length > 0, "no extent is empty", offset=offset)
            _demand(extent.end <= end, "extents end with the range", offset=offset)
            yield extent
            offset = extent.end
        _demand(offset == end, "extents fill the range", offset=offset, end=end)

    def _check_write(
        self, operation: str, offset: int, length: int, *, bounded: bool = True
    ) -> None:
        _demand(self.mode is Mode.WRITE, "the node is open for writing", uri=self.uri)
        self._check(operation, offset, length, bounded=bounded)

    def _check(
        self, operation: str, offset: int, length: int, *, bounded: bool = True
    ) -> None:
        self._check_open(operation)
        limits, end = self.limits, offset + length
        facts: dict[str, Fact] = {
            "operation": operation,
            "uri": self.uri,
            "offset": offset,
            "length": length,
            "size": self.size,
        }
        _demand(0 <= offset <= end <= self.size, "the range lies in the image", **facts)
        _demand(is_aligned(offset, limits.alignment), "the offset is aligned", **facts)
        _demand(
            is_aligned(length, limits.alignment) or end == self.size,
            "the length is aligned, or ends with the image",
            **facts,
        )
        _demand(
            length <= limits.max_request or not bounded,
            "the request is at most the largest allowed",
            **facts,
        )

    def _check_open(self, operation: str) -> None:
        _demand(not self._closed, "the node is open", operation=operation, uri=self.uri)


def _demand(holds: bool, what: str, **facts: Fact) -> None:
    if not holds:
        shown = " ".join(f"{key}={value!r}" for key, value in facts.items())
        raise ContractBroken(f"It must be that {what} ({shown})")
