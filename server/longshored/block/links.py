"""Links: the files of a backing chain, found from the top downward.

The headers name the chain, the caller may declare it; where both speak they must
agree. Formats are never guessed from content: a link whose format nobody names
is an error that says how to name it. Nothing is locked and nothing is changed.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from ..errors import Kind, ServiceError, field_invalid
from .node import Identity, Mode
from .open import Format, parse_format
from .qcow2.headerfile import read_header
from .qcow2.layout import Header
from .raw import open_raw
from .roots import Place, Roots

# Backing files below a top. QEMU has no limit of its own; libvirt stops at 200.
MAX_DEPTH = 200


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image as a caller names it; without a format the header above must."""

    path: str
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One file of a chain: open, identified, its header read if it has one."""

    place: Place
    format: Format
    fd: int
    identity: Identity
    header: Header | None

    @property
    def uri(self) -> str:
        return self.place.path

    @property
    def backing_file(self) -> str | None:
        return self.header.backing_file if self.header else None

    @property
    def backing_format(self) -> str | None:
        return self.header.backing_format if self.header else None


class Walk:
    """Opens links one by one; the descriptors live in `files` until they move on."""

    def __init__(
        self, roots: Roots, declared: Sequence[ImageRef], files: ExitStack
    ) -> None:
        self._roots = roots
        self._declared = declared
        self._files = files
        self.links: list[Link] = []

    def top(self, ref: ImageRef, mode: Mode) -> None:
        """Open the image that the caller named."""
        if ref.format is None:
            raise field_invalid("format", "is required: 'raw' or 'qcow2'", uri=ref.path)
        place = self._roots.resolve(ref.path)
        self._add(place, parse_format(ref.format, place.path), mode)

    def next(self) -> bool:
        """Open the backing file of the last link; False if it has none."""
        above = self.links[-1]
        if above.backing_file is None:
            self._check_declared_end()
            return False
        try:
            place = self._roots.refer(above.place, above.backing_file)
            format_ = self._format_below(above, place)
            self._check_depth(above)
            self._add(place, format_, Mode.READ)
        except ServiceError as error:
            error.facts.setdefault("depth", len(self.links))
            error.facts.setdefault("named_by", above.uri)
            raise
        return True

    def _add(self, place: Place, format_: Format, mode: Mode) -> None:
        with ExitStack() as mine:
            raw = open_raw(self._roots.open_file(place, mode), place.path, mode)
            mine.callback(raw.close)
            self._check_new(place, raw.identity)
            header = read_header(raw) if format_ is Format.QCOW2 else None
            self._files.push(mine.pop_all())
        self.links.append(Link(place, format_, raw.fd, raw.identity, header))

    def _format_below(self, above: Link, place: Place) -> Format:
        """What the header says; else what the caller declared for this depth."""
        declared = self._declared_below(place)
        written = above.backing_format
        asked = declared.format if declared else None
        if written and asked and written != asked:
            raise field_invalid(
                self._field("format"),
                f"is '{asked}', but the header above says '{written}'",
                uri=place.path,
            )
        if not (written or asked):
            raise ServiceError(
                Kind.TARGET_WRONG_STATE,
                "The header names no format for the backing file, and it is never "
                f"guessed; declare it in {self._field('format')}",
                uri=place.path,
            )
        return parse_format(written or asked or "", place.path)

    def _declared_below(self, place: Place) -> ImageRef | None:
        """What the caller declared for the next link; it must be the same file."""
        index = len(self.links) - 1
        if not self._declared:
            return None
        if index >= len(self._declared):
            raise field_invalid(
                "backing_chain",
                f"declares {len(self._declared)} images, but the chain is longer",
                uri=place.path,
            )
        declared = self._declared[index]
        there = self._roots.resolve(declared.path)
        if there != place and self._roots.identify(there) != self._roots.identify(
            place
        ):
            raise field_invalid(
                self._field("uri"),
                f"is {there.path}, but the header above names {place.path}",
            )
        return declared

    def _field(self, name: str) -> str:
        return f"backing_chain[{len(self.links) - 1}].{name}"

    def _check_declared_end(self) -> None:
        below = len(self.links) - 1
        if below < len(self._declared):
            raise field_invalid(
                "backing_chain",
                f"declares {len(self._declared)} images, but the headers name {below}",
                uri=self.links[-1].uri,
            )

    def _check_new(self, place: Place, identity: Identity) -> None:
        for depth, link in enumerate(self.links):
            if link.identity == identity:
                raise ServiceError(
                    Kind.IMAGE_INVALID,
                    "The backing chain is a loop: the file is in it twice",
                    uri=place.path,
                    same_as=link.uri,
                    first_depth=depth,
                )

    def _check_depth(self, above: Link) -> None:
        if len(self.links) > MAX_DEPTH:
            raise ServiceError(
                Kind.IMAGE_UNSUPPORTED,
                f"The backing chain is deeper than {MAX_DEPTH} images",
                uri=above.uri,
                limit=MAX_DEPTH,
            )
