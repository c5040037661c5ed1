"""Chain: an image and everything below it, locked as a whole and read as one.

Opening goes downward to learn the links, upward to lock them, and only then
reads what will be used: a header that changed between is found out and refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise

from ..errors import Kind, ServiceError
from .extent import Data, Extent, merge
from .holders import busy_error
from .links import ImageRef, Link, Walk
from .locks import READER, ImageLock, LockRow
from .node import Identity, Mode
from .open import Format, ImageNode, open_node
from .qcow2.image import Qcow2Node
from .raw import RawNode, open_raw
from .roots import Place, Roots


@dataclass(frozen=True, slots=True)
class Layer:
    """One image of a chain: its node, and the lock that its file is under."""

    place: Place
    format: Format
    node: ImageNode
    lock: ImageLock
    identity: Identity

    @property
    def uri(self) -> str:
        return self.node.uri

    @property
    def raw(self) -> RawNode:
        """The file of the layer: host offsets of its extents count in it."""
        return self.node.raw if isinstance(self.node, Qcow2Node) else self.node

    @property
    def backing_file(self) -> str | None:
        """The backing name as the header writes it."""
        node = self.node
        return node.header.backing_file if isinstance(node, Qcow2Node) else None

    @property
    def backing_format(self) -> str | None:
        node = self.node
        return node.header.backing_format if isinstance(node, Qcow2Node) else None


class Chain:
    """The layers, the top first. Closing closes all nodes and so drops all locks."""

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        self.layers = layers

    @property
    def top(self) -> Layer:
        return self.layers[0]

    @property
    def size(self) -> int:
        return self.top.node.size

    def find(self, identity: Identity) -> int | None:
        """The depth at which a file is in this chain, or None."""
        for depth, layer in enumerate(self.layers):
            if layer.identity == identity:
                return depth
        return None

    def extents(
        self, offset: int = 0, length: int | None = None, *, above: int | None = None
    ) -> Iterator[Extent]:
        """What the chain holds, each run with the depth of the layer that says so.

        Runs that nobody has are ZERO. With `above`, only the layers above that
        depth are asked, and what none of them has is UNALLOCATED at that depth.
        """
        end = self.size if length is None else offset + length
        depths = len(self.layers) if above is None else above
        return merge(self._resolved(offset, end, depths, bottom=above is None))

    def map(self, offset: int = 0) -> Iterator[Extent]:
        """Which layer says what of each run, in the words of `qemu-img map`.

        What nobody has is UNALLOCATED in the last layer that was asked: the one
        above a backing file that is too short. A hole of a raw layer has its place
        in that file.
        """
        found = self._resolved(
            offset, self.size, len(self.layers), nobody=Data.UNALLOCATED
        )
        for extent in merge(found):
            is_raw = self.layers[extent.depth].format is Format.RAW
            if is_raw and extent.data is Data.ZERO:
                yield replace(extent, host_offset=extent.start)
            else:
                yield extent

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer with what the top shows."""
        for extent in self.extents(offset, len(buffer)):
            start = extent.start - offset
            self.read_extent(extent, buffer[start : start + extent.length])

    def read_extent(self, extent: Extent, buffer: memoryview) -> None:
        """Fill the buffer with the whole of an extent that `extents` gave."""
        layer = self.layers[extent.depth]
        if extent.data is Data.ZERO:
            buffer[:] = bytes(len(buffer))
        elif isinstance(layer.node, Qcow2Node):
            layer.node.readinto_layer(extent, extent.start, buffer)
        else:
            layer.node.readinto(extent.start, buffer)

    def close(self) -> None:
        """Close every node, the top first; its failure is raised at the end."""
        with ExitStack() as closing:
            for layer in reversed(self.layers):
                closing.callback(layer.node.close)

    def _resolved(
        self,
        offset: int,
        end: int,
        depths: int,
        *,
        bottom: bool = True,
        nobody: Data = Data.ZERO,
    ) -> Iterator[Extent]:
        """Follow each run down to the layer that has it; `nobody` if none can.

        A stack and not a recursion: a chain may be 200 layers deep.
        """
        asked = [self._layer_extents(0, offset, end)]
        while asked:
            extent = next(asked[-1], None)
            if extent is None:
                asked.pop()
                continue
            if extent.data is not Data.UNALLOCATED:
                yield extent
                continue
            below = extent.depth + 1
            if below == depths:
                yield replace(extent, data=nobody) if bottom else extent.at_depth(below)
                continue
            reach = self.layers[below].node.size
            if reach <= extent.start:
                # Past the end of the next layer: nobody further down is asked.
                yield replace(extent, data=nobody)
                continue
            if reach < extent.end:
                asked.append(iter((extent.clip(reach, extent.end),)))
            asked.append(
                self._layer_extents(below, extent.start, min(reach, extent.end))
            )

    def _layer_extents(self, depth: int, offset: int, end: int) -> Iterator[Extent]:
        for extent in self.layers[depth].node.extents(offset, end - offset):
            yield extent.at_depth(depth)


def open_chain(
    roots: Roots,
    top: ImageRef,
    *,
    mode: Mode,
    row: LockRow,
    backing_row: LockRow = READER,
    declared: Sequence[ImageRef] = (),
) -> Chain:
    """Open and lock an image with everything below it, or raise and leave no trace.

    `mode` is for the top, backing files are only read. `declared` are the images
    below the top in order; it must be what the headers say and adds formats.
    TARGET_BUSY names the process in the way.
    """
    with ExitStack() as files:
        walk = Walk(roots, declared, files)
        walk.top(top, mode)
        while walk.next():
            pass
        locks = _lock_all(walk.links, row, backing_row)
        layers = _open_all(walk.links, locks, mode)
        files.pop_all()
        return Chain(layers)


def _lock_all(
    links: Sequence[Link], row: LockRow, backing_row: LockRow
) -> list[ImageLock]:
    """Lock bottom to top. A failure needs no unlocking: the files are closed."""
    locks: list[ImageLock] = []
    for link in reversed(links):
        lock = ImageLock(link.fd, link.uri)
        clashes = lock.take(row if link is links[0] else backing_row)
        if clashes:
            raise busy_error(link.uri, clashes, link.identity)
        locks.append(lock)
    return locks[::-1]


def _open_all(
    links: Sequence[Link], locks: Sequence[ImageLock], mode: Mode
) -> tuple[Layer, ...]:
    layers: list[Layer] = []
    for link, lock in zip(links, locks, strict=True):
        own_mode = Mode.READ if layers else mode
        # Opened anew on the same descriptor: size and header as they are now that
        # nobody else can change them.
        raw = open_raw(link.fd, link.uri, own_mode)
        node = open_node(raw, link.format, own_mode)
        layer = Layer(link.place, link.format, node, lock, link.identity)
        _check_unchanged(link, layer)
        layers.append(layer)
    for above, below in pairwise(layers):
        assert isinstance(above.node, Qcow2Node)
        above.node.backing = below.node
    return tuple(layers)


def _check_unchanged(link: Link, layer: Layer) -> None:
    seen = link.backing_file, link.backing_format
    if seen != (layer.backing_file, layer.backing_format):
        raise ServiceError(
            Kind.TARGET_BUSY,
            "The backing file of the image changed while it was opened; try again",
            uri=link.uri,
        )
