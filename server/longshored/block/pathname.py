"""What a path may look like, said before anything is opened. Pure text.

Two kinds of text come in: paths that a caller sends (strict: absolute, no `..`)
and names that an image carries for its backing file (data from a stranger: no
protocol, no JSON, but `..` is how QEMU's tools write relative chains, and the
kernel stops it at the root).
"""

import unicodedata

from ..errors import Kind, ServiceError, field_invalid

LONGEST_PATH = 4095  # PATH_MAX, without the NUL that ends it
LONGEST_NAME = 255  # NAME_MAX of every Linux file system, in bytes
_SHOWN = 120  # enough to recognise a hostile name in a log line

# They turn the direction of the text after them, so a log would show another name.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def shown(text: str) -> str:
    """Text from outside in a form that no terminal or log can be fooled by."""
    safe = text.encode("unicode_escape").decode("ascii")
    return safe if len(safe) <= _SHOWN else f"{safe[:_SHOWN]}…"


def check_path(path: str) -> str:
    """A caller's absolute path, without doubled slashes; else FIELD_INVALID."""
    fault = _path_fault(path)
    if fault:
        raise field_invalid("uri", fault, path=shown(path))
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def check_reference(name: str, image: str) -> str:
    """The path in the backing name of an image; else IMAGE_UNSUPPORTED or _INVALID.

    It may be relative to the directory of the image that names it.
    """
    fault = _text_fault(name)
    if fault:
        raise _reference_error(Kind.IMAGE_INVALID, fault, name, image)
    if name.startswith("file:"):
        path = name.removeprefix("file:")
        if not path.startswith("/"):
            fault = "is relative to a directory nobody knows; write it without file:"
            raise _reference_error(Kind.IMAGE_UNSUPPORTED, fault, name, image)
        return path
    if ":" in name.split("/", 1)[0]:
        scheme = shown(name.split(":", 1)[0])
        fault = f"uses {scheme}:, but only files below a root are opened"
        raise _reference_error(Kind.IMAGE_UNSUPPORTED, fault, name, image)
    return name


def _path_fault(path: str) -> str | None:
    fault = _text_fault(path)
    if fault:
        return f"the path {fault}"
    if not path.startswith("/"):
        return "the path must be absolute, it starts without a slash"
    if ".." in path.split("/"):
        return "the path must not contain '..'"
    if path.endswith("/"):
        return "the path ends in a slash, so it can only be a directory"
    return None


def _text_fault(text: str) -> str | None:
    """What is wrong with any path, whoever wrote it."""
    if not text:
        return "is empty"
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return "is not valid UTF-8"
    if len(encoded) > LONGEST_PATH:
        return f"has {len(encoded)} bytes, more than {LONGEST_PATH}"
    if max(map(len, encoded.split(b"/"))) > LONGEST_NAME:
        return f"has a component of more than {LONGEST_NAME} bytes"
    return _character_fault(text)


def _character_fault(text: str) -> str | None:
    if "\0" in text:
        return "contains a NUL"
    if "\n" in text or "\r" in text:
        return "contains a newline"
    if any(unicodedata.category(letter) == "Cc" for letter in text):
        return "contains a control character"
    if not _TURNING.isdisjoint(text):
        return "contains a character that turns the direction of the text"
    return None


def _reference_error(kind: Kind, fault: str, name: str, image: str) -> ServiceError:
    message = f"The backing name in the image {fault}"
    return ServiceError(kind, message, backing_name=shown(name), uri=image)
