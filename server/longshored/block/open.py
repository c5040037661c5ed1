"""The one factory: which format a file is opened as, and what is stacked on it."""

from enum import Enum

from ..errors import Kind, ServiceError
from .filters.guard import Guard
from .filters.throttle import Gate, Throttle
from .node import BlockNode, Mode
from .pathname import shown
from .qcow2.image import Qcow2Node, open_qcow2
from .raw import RawNode

ImageNode = RawNode | Qcow2Node
"""A node of a file, of any format."""


class Format(Enum):
    """The formats that can be opened. A format is declared, never guessed."""

    RAW = "raw"
    QCOW2 = "qcow2"


def parse_format(text: str, uri: str) -> Format:
    """The format of this name, or IMAGE_UNSUPPORTED."""
    try:
        return Format(text)
    except ValueError as error:
        raise ServiceError(
            Kind.IMAGE_UNSUPPORTED,
            f"Images of format '{shown(text)}' are not supported",
            uri=uri,
            format=shown(text),
            supported=", ".join(one.value for one in Format),
        ) from error


def open_node(raw: RawNode, format_: Format, mode: Mode) -> ImageNode:
    """The node of a format on a file; it owns the file if this succeeds."""
    match format_:
        case Format.RAW:
            return raw
        case Format.QCOW2:
            return open_qcow2(raw, mode=mode)


def stack(node: BlockNode, gate: Gate | None = None) -> BlockNode:
    """The filters of production: a gate if there is a limit, and the guard outside."""
    return Guard(node if gate is None else Throttle(node, gate))
