"""The name of a backing file, as the header of another overlay must write it."""

import posixpath

from ..block.roots import Place


def backing_name(name: str, named_by: Place, top: Place, base: Place) -> str:
    """What `top` calls `base`, which `named_by` calls `name`.

    A relative name counts from the directory of the image that writes it; it is
    kept if both lie in one directory. Across roots only the whole path is right.
    """
    if _is_absolute(name) or _directory(named_by) == _directory(top):
        return name
    if top.root != base.root:
        return base.path
    path = posixpath.relpath(base.relative, posixpath.dirname(top.relative) or ".")
    # A colon in the first part would make it the scheme of a URI.
    return f"./{path}" if ":" in path.split("/", 1)[0] else path


def _is_absolute(name: str) -> bool:
    return name.startswith(("/", "file:"))


def _directory(place: Place) -> tuple[str, str]:
    return place.root.path, posixpath.dirname(place.relative)
