"""Facts of an image and of the chain below it, for whoever only wants to look.

Nothing is locked and nothing is changed, so a running machine is not in the way:
what it changes meanwhile may show half old, half new. The holders are named.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from ..errors import ServiceError
from .chain import Chain, open_chain
from .holders import Survey, survey
from .links import ImageRef, Link, Walk
from .locks import NOTHING
from .node import Identity, Mode
from .open import Format
from .qcow2 import extensions as ext
from .qcow2.bitmaps import Bitmap, read_bitmaps
from .qcow2.features import NAMES, Autoclear, Compatible, FeatureKind, bits_of
from .qcow2.headerfile import naming
from .qcow2.layout import Header, refuse_unsupported
from .qcow2.snapshots import Snapshot, read_snapshots
from .raw import RawNode, open_raw
from .roots import Roots


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """One image of a chain. Sizes in bytes; backing as its header writes it."""

    uri: str
    format: Format
    identity: Identity
    virtual_size: int
    allocated: int
    backing_name: str | None
    backing_format: str | None


@dataclass(frozen=True, slots=True)
class Qcow2Facts:
    """What the header of a qcow2 image says, and the tables that it points to."""

    header: Header
    lazy_refcounts: bool
    snapshots: tuple[Snapshot, ...]
    bitmaps: tuple[Bitmap, ...]
    incompatible_features: tuple[str, ...]
    compatible_features: tuple[str, ...]
    autoclear_features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """The links, the top first. `fault`: why the chain could not be followed on."""

    links: tuple[LinkFacts, ...]
    qcow2: Qcow2Facts | None
    holders: Survey
    fault: ServiceError | None

    @property
    def top(self) -> LinkFacts:
        return self.links[0]


def describe(
    roots: Roots, top: ImageRef, *, declared: Sequence[ImageRef] = ()
) -> ImageFacts:
    """Everything that headers and the file system tell of an image and its chain.

    A fault below the top does not hide the top; one in the top is raised.
    """
    with ExitStack() as files:
        walk = Walk(roots, declared, files)
        walk.top(top, Mode.READ)
        _check_supported(walk.links[0])
        fault = _follow(walk)
        links = tuple(_link_facts(link) for link in walk.links)
        return ImageFacts(
            links=links,
            qcow2=_qcow2_facts(walk.links[0]),
            holders=survey({link.identity for link in links}),
            fault=fault,
        )


def open_unlocked(
    roots: Roots, top: ImageRef, *, declared: Sequence[ImageRef] = ()
) -> Chain:
    """A chain to be mapped and looked at, under no lock, like `qemu-img -U`."""
    return open_chain(
        roots,
        top,
        mode=Mode.READ,
        row=NOTHING,
        backing_row=NOTHING,
        declared=declared,
    )


def _follow(walk: Walk) -> ServiceError | None:
    try:
        while walk.next():
            _check_supported(walk.links[-1])
    except ServiceError as error:
        return error
    return None


def _check_supported(link: Link) -> None:
    """Of an image whose data cannot be reached, the sizes alone would mislead."""
    if link.header is not None:
        with naming(link.uri):
            refuse_unsupported(link.header)


def _link_facts(link: Link) -> LinkFacts:
    raw = _file(link)
    return LinkFacts(
        uri=link.uri,
        format=link.format,
        identity=link.identity,
        virtual_size=link.header.size if link.header else raw.size,
        allocated=raw.allocated(),
        backing_name=link.backing_file,
        backing_format=link.backing_format,
    )


def _qcow2_facts(link: Link) -> Qcow2Facts | None:
    header = link.header
    if header is None:
        return None
    raw = _file(link)
    return Qcow2Facts(
        header=header,
        lazy_refcounts=bool(header.compatible & Compatible.LAZY_REFCOUNTS),
        snapshots=read_snapshots(raw, header),
        bitmaps=_bitmaps(raw, header),
        incompatible_features=_names(
            header, FeatureKind.INCOMPATIBLE, header.incompatible
        ),
        compatible_features=_names(header, FeatureKind.COMPATIBLE, header.compatible),
        autoclear_features=_names(header, FeatureKind.AUTOCLEAR, header.autoclear),
    )


def _bitmaps(raw: RawNode, header: Header) -> tuple[Bitmap, ...]:
    """Those that are consistent. The others own no space: it may hold anything now."""
    if not header.autoclear & Autoclear.BITMAPS:
        return ()
    return read_bitmaps(raw, header)


def _names(header: Header, kind: FeatureKind, mask: int) -> tuple[str, ...]:
    """The names of set bits: ours, else the image's own table, else the number."""
    data = header.extension(ext.FEATURE_NAMES)
    table = ext.decode_feature_names(data) if data else ()
    own = {(entry.kind, entry.bit): entry.name for entry in table}
    return tuple(
        NAMES.get((kind, bit)) or own.get((kind, bit)) or f"bit {bit}"
        for bit in bits_of(mask)
    )


def _file(link: Link) -> RawNode:
    """The file of a link; the walk that opened it closes it."""
    return open_raw(link.fd, link.uri, Mode.READ)
