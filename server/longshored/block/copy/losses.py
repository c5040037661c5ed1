"""What internal snapshots of a top show of the images below it.

A snapshot has a mapping of its own, and where that has nothing it shows the backing
file, as the image does. A pull fills the image alone: with the backing file gone, or
another one in its place, the snapshot shows something else there.
"""

from collections.abc import Iterator
from dataclasses import replace

from ..chain import Chain
from ..pathname import shown
from ..qcow2.image import Qcow2Node
from .lacking import lacking
from .plan import Shape, plan


def losers(chain: Chain, base: int | None, shape: Shape) -> Iterator[str]:
    """The names of the snapshots that a pull down to `base` would take data from.

    Reads tables of all images above the base, as to plan a pull does.
    """
    node = chain.top.node
    assert isinstance(node, Qcow2Node), "raw images have no snapshots"
    for snapshot in node.snapshots():
        then = node.at(snapshot)
        top = replace(chain.top, node=then)
        seen = Chain((top, *chain.layers[1:]))
        requests = plan(lacking(seen, base), replace(shape, size=then.size))
        if next(requests, None) is not None:
            # A name may be empty, an id is not.
            yield shown((snapshot.name or snapshot.id).decode("utf-8", "replace"))
