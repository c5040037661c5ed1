"""From what a spec names to files: chains opened and locked, and as nodes of a job."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from ..block.chain import Chain, open_chain
from ..block.holders import busy_error
from ..block.links import ImageRef as ImagePath
from ..block.links import Link, Walk
from ..block.locks import READER, ImageLock, LockRow
from ..block.node import Identity, Mode
from ..block.roots import Place, Roots
from ..block.uri import parse_uri
from ..errors import Kind, ServiceError, field_invalid
from ..job.nodes import Node, Permission, Role
from ..job.spec import ImageRef

P = Permission

# What the job itself needs of its top, and what the lock bytes of a writer say.
POPULATES = P.CONSISTENT_READ | P.WRITE_UNCHANGED | P.WRITE | P.RESIZE | P.GRAPH


@contextmanager
def walked(
    roots: Roots, top: ImageRef, declared: Sequence[ImageRef], mode: Mode
) -> Iterator[tuple[Link, ...]]:
    """The links of a chain, open and not locked, inside the `with`."""
    with ExitStack() as files:
        walk = Walk(roots, [path_of(ref) for ref in declared], files)
        walk.top(path_of(top), mode)
        while walk.next():
            pass
        yield tuple(walk.links)


def open_locked(
    roots: Roots, top: ImageRef, declared: Sequence[ImageRef], mode: Mode, row: LockRow
) -> Chain:
    return open_chain(
        roots,
        path_of(top),
        mode=mode,
        row=row,
        backing_row=READER,
        declared=[path_of(ref) for ref in declared],
    )


def path_of(ref: ImageRef) -> ImagePath:
    return ImagePath(parse_uri(ref.uri).path, ref.format or None)


def find_base(
    roots: Roots, base: ImageRef, chain: Sequence[tuple[str, Identity, str]]
) -> int:
    """The depth of the base among (path, identity, format), the top first."""
    place = roots.resolve(parse_uri(base.uri).path)
    identity = roots.identify(place)
    for depth, (_, other, format_) in enumerate(chain):
        if other == identity:
            _check_base(depth, base, format_)
            return depth
    raise ServiceError(
        Kind.TARGET_WRONG_STATE,
        "The base is not in the backing chain of top",
        uri=place.path,
        chain=" <- ".join(path for path, _, _ in chain),
    )


def _check_base(depth: int, base: ImageRef, format_: str) -> None:
    if depth == 0:
        raise field_invalid("base.uri", "must be an image below top, not top")
    if base.format and base.format != format_:
        raise field_invalid(
            "base.format", f"is '{base.format}', but the chain says '{format_}'"
        )


def foreign_holders(links: Sequence[Link], row: LockRow) -> Iterator[ServiceError]:
    """TARGET_BUSY for each link that another process is in the way of.

    Our own jobs have their holds.
    """
    for depth, link in enumerate(links):
        wanted = READER if depth else row
        lock = ImageLock(link.fd, link.uri)
        if clashes := lock.probe(wanted):
            error = busy_error(link.uri, clashes, link.identity)
            # Nobody was found: it may just have gone, as our own jobs do all the
            # time. To wait for it would be to wait a second for nothing.
            has_gone = error.facts.get("pid") is None and not lock.probe(wanted)
            if error.facts.get("pid") != os.getpid() and not has_gone:
                yield error


def populate_nodes(links: Sequence[Link], base: int | None) -> tuple[Node, ...]:
    """The holds of a job that fills the top of a chain from what is below it."""
    bottom = len(links) - 1 if base is None else base
    return tuple(
        _node(link, _role(depth, bottom), populated=depth == 0)
        for depth, link in enumerate(links)
    )


def _role(depth: int, bottom: int) -> Role:
    if depth == 0:
        return Role.TOP
    # What lies below the base is read with it.
    return Role.BASE if depth >= bottom else Role.INTERMEDIATE


def _node(link: Link, role: Role, *, populated: bool) -> Node:
    return Node(
        key=str(link.identity),
        role=role,
        uri=link.uri,
        taken=POPULATES if populated else P.CONSISTENT_READ,
        shared=P.CONSISTENT_READ,
        format=link.format.value,
        device=device_of(link.identity),
    )


def identified(roots: Roots, node: Node) -> Node:
    """The node by what lies at its path now; as it is if nothing can be found there."""
    try:
        identity = roots.identify(roots.locate(node.uri))
    except ServiceError:
        return node
    return replace(node, key=str(identity), device=device_of(identity))


def device_of(identity: Identity) -> str:
    """The disk that a file lies on, as `lsblk` prints it."""
    return f"{os.major(identity.device)}:{os.minor(identity.device)}"


def still_there(roots: Roots, place: Place, identity: Identity) -> None:
    """Raise if the path names another file by now."""
    if roots.identify(place) != identity:
        raise ServiceError(
            Kind.TARGET_WRONG_STATE,
            "The path names another file than the one this job has opened",
            uri=place.path,
        )


def space_available(chain: Chain) -> int | None:
    """Bytes that the file of the top may still grow by; None: it does not grow."""
    if chain.top.raw.is_device:
        return None
    space = os.fstatvfs(chain.top.raw.fd)
    return space.f_bavail * space.f_frsize
