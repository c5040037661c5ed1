"""What a chain shows where its top holds nothing: the extents a pull plans from."""

from collections.abc import Iterator

from ..chain import Chain
from ..extent import Data, Extent


def lacking(chain: Chain, above: int | None = None) -> Iterator[Extent]:
    """The extents of the chain; depth 0 is only what the top holds itself.

    With `above`, what no image above that depth holds is UNALLOCATED.
    """
    for extent in chain.top.node.extents():
        if extent.data is not Data.UNALLOCATED:
            yield extent
            continue
        for below in chain.extents(extent.start, extent.length, above=above):
            # Past the end of a short backing file the image above it reads zeros;
            # if that is the top, it does not hold them all the same.
            yield below.at_depth(max(1, below.depth))
