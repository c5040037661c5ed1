"""ImageUri: how a caller names an image. Parses and prints; opens nothing."""

from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from ..errors import Kind, ServiceError, field_invalid
from .pathname import check_path, shown

_NBD = frozenset({"nbd", "nbds", "nbd+unix", "nbds+unix", "nbd+vsock", "nbds+vsock"})


@dataclass(frozen=True, slots=True)
class ImageUri:
    """A checked, absolute path; `str` gives the `file:` form of it."""

    path: str

    def __str__(self) -> str:
        return "file://" + quote(self.path)


def parse_uri(text: str) -> ImageUri:
    """An absolute path or a `file:///` URI; else a typed error that says why not."""
    if text.startswith("/") or not text:
        return ImageUri(check_path(text))
    scheme, colon, _ = text.partition(":")
    if not colon:
        return ImageUri(check_path(text))
    if scheme.lower() == "file":
        return ImageUri(check_path(_file_path(text)))
    if scheme.lower() in _NBD:
        raise ServiceError(
            Kind.IMAGE_UNSUPPORTED,
            "Images behind NBD are not supported yet, name a local file or device",
            uri=shown(text),
            feature="nbd",
        )
    raise field_invalid(
        "uri", "must be an absolute path or a file:/// URI", uri=shown(text)
    )


def _file_path(text: str) -> str:
    """The path in a `file:` URI. A raw '?' or '#' is an error, not a part to drop."""
    if "?" in text or "#" in text:
        raise field_invalid("uri", "write '?' as %3F and '#' as %23", uri=shown(text))
    path = text.partition(":")[2]
    if path.startswith("//"):
        host, slash, rest = path.removeprefix("//").partition("/")
        if host not in ("", "localhost"):
            raise field_invalid("uri", "must not name another host", uri=shown(text))
        path = slash + rest
    try:
        return unquote_to_bytes(path).decode()
    except UnicodeError as error:
        raise field_invalid("uri", "is not valid UTF-8", uri=shown(text)) from error
