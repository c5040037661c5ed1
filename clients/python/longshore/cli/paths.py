"""Paths as they are typed, made into names that the daemon takes."""

from pathlib import Path

from .exits import CommandError


def absolute(path: str) -> str:
    """By absolute path, without `..`; a URI stays as it is.

    The daemon takes no `..`, as what that is depends on links. Here it is what the
    kernel makes of it on this host; what follows the last one is left as typed.
    """
    if not path:
        raise CommandError("the path of the image is empty")
    if "://" in path:
        return path
    parts = (Path.cwd() / path).parts
    if ".." not in parts:
        return str(Path(*parts))
    after = len(parts) - parts[::-1].index("..")
    try:
        above = Path(*parts[:after]).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or error
        raise CommandError(f"{path}: cannot tell what '..' is: {why}") from error
    return str(above.joinpath(*parts[after:]))
