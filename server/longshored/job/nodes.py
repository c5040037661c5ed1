"""What a job touches and which use of it excludes others: QEMU's permission rule.

Two jobs clash if and only if one takes what the other does not share, on the
same node. A node is identified by what it is (`key`: device and inode, domain
uuid …), never by its path.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, Flag, auto


class Permission(Flag):
    """What a job does with a node (qapi BlockPermission; GRAPH is our own)."""

    CONSISTENT_READ = auto()
    WRITE = auto()
    WRITE_UNCHANGED = auto()  # rewrite without visible change
    RESIZE = auto()
    GRAPH = auto()  # change what is behind it


NOTHING = Permission(0)
EVERYTHING = ~NOTHING


class Role(Enum):
    SOURCE = "source"
    TARGET = "target"
    TOP = "top"
    BASE = "base"
    INTERMEDIATE = "intermediate"
    OVERLAY = "overlay"


class IoStatus(Enum):
    """How a node's I/O has gone (qapi BlockDeviceIoStatus)."""

    OK = "ok"
    NOSPACE = "nospace"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Node:
    """One node of one job, with the hold the job has on it.

    `device` names what the node's bytes lie on: its slots and its rate limit
    are shared by every job there.
    """

    key: str
    role: Role
    uri: str
    taken: Permission
    shared: Permission
    format: str = ""
    device: str = ""
    io_status: IoStatus = IoStatus.OK


@dataclass(frozen=True, slots=True)
class Clash:
    """Why two jobs cannot both have a node: one takes what the other does not share."""

    wanted: Node
    held: Node
    permission: Permission


def clash(wanted: Node, held: Node) -> Clash | None:
    if wanted.key != held.key:
        return None
    refused = (wanted.taken & ~held.shared) | (held.taken & ~wanted.shared)
    return Clash(wanted, held, refused) if refused else None


def clashes(wanted: Iterable[Node], held: Iterable[Node]) -> Iterator[Clash]:
    others: dict[str, list[Node]] = {}
    for node in held:
        others.setdefault(node.key, []).append(node)
    for node in wanted:
        for other in others.get(node.key, ()):
            if found := clash(node, other):
                yield found
