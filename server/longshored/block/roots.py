"""The directories below which images may lie, and every open below them.

A root is opened once. All paths are then resolved by the kernel below that
descriptor, so neither `..` nor a symbolic link leads out, whoever renames what
meanwhile. A file is looked at (O_PATH) before it is opened: opening a FIFO can
hang and opening a device node can do things.
"""

import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

from ..errors import Kind, ServiceError, field_invalid
from .ioerror import io_error
from .node import Identity, Mode
from .openat2 import open_beneath
from .pathname import check_path, check_reference, shown

_WRONG_TYPE = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a character device",
    stat.S_IFLNK: "a symbolic link",
}


@dataclass(frozen=True, slots=True)
class Root:
    """One open directory; `real` is its path without symbolic links."""

    path: str
    real: str
    fd: int

    def relative(self, path: str) -> str | None:
        """What is left of a path below this root, or None if it lies elsewhere."""
        for own in (self.path, self.real):
            prefix = own.rstrip("/") + "/"
            if path == own or path.startswith(prefix):
                return path[len(prefix) :] or "."
        return None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies: a root, and the way down from it."""

    root: Root
    relative: str

    @property
    def path(self) -> str:
        return f"{self.root.path.rstrip('/')}/{self.relative}"

    @property
    def name(self) -> str:
        return os.path.basename(self.relative)  # noqa: PTH119 - text, not a file


class Roots:
    """All roots of this daemon. Paths in errors are the ones the caller sent."""

    def __init__(self, roots: tuple[Root, ...]) -> None:
        # The longest first: of two nested roots the inner one is meant.
        self._roots = tuple(sorted(roots, key=lambda root: -len(root.path)))

    @classmethod
    def open(cls, directories: Iterable[str]) -> "Roots":
        roots: list[Root] = []
        try:
            for directory in directories:
                roots.append(_open_root(directory))
        except ServiceError:
            cls(tuple(roots)).close()
            raise
        return cls(tuple(roots))

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(sorted(root.path for root in self._roots))

    def close(self) -> None:
        for root in self._roots:
            os.close(root.fd)

    def resolve(self, path: str) -> Place:
        """Where a caller's path lies; it need not exist."""
        return self.locate(check_path(path))

    def locate(self, path: str) -> Place:
        """Where a path lies that is not a caller's: of a `Place`, or an image's."""
        for root in self._roots:
            relative = root.relative(path)
            if relative is not None:
                return Place(root, relative)
        raise ServiceError(
            Kind.PERMISSION_DENIED,
            "The path lies outside every root of this server",
            uri=shown(path),
            roots=", ".join(self.paths) or "none",
        )

    def refer(self, image: Place, name: str) -> Place:
        """Where the backing name found in an image points to, as QEMU reads it.

        A relative name counts from the directory in which the image was named.
        """
        path = check_reference(name, image.path)
        if path.startswith("/"):
            return self.locate(path)
        directory, slash, _ = image.relative.rpartition("/")
        return Place(image.root, f"{directory}{slash}{path}")

    def open_file(self, place: Place, mode: Mode) -> int:
        """A descriptor of a regular file or block device, and of nothing else."""
        look = self._open(place, os.O_PATH)
        try:
            _check_type(os.fstat(look), place.path)
            access = os.O_RDWR if mode is Mode.WRITE else os.O_RDONLY
            flags = access | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
            # The same inode again, with rights: no second walk, no race.
            return os.open(f"/proc/self/fd/{look}", flags)
        except OSError as error:
            raise _open_error(error, place.path) from error
        finally:
            os.close(look)

    def open_parent(self, place: Place) -> int:
        """A descriptor of the directory in which the file lies or shall lie."""
        directory, _, _ = place.relative.rpartition("/")
        parent = Place(place.root, directory or ".")
        return self._open(parent, os.O_RDONLY | os.O_DIRECTORY)

    def identify(self, place: Place) -> Identity:
        """Which file a place is now, without opening it for anything."""
        look = self._open(place, os.O_PATH)
        try:
            status = os.fstat(look)
        finally:
            os.close(look)
        _check_type(status, place.path)
        return Identity.of(status)

    def _open(self, place: Place, flags: int) -> int:
        try:
            return open_beneath(place.root.fd, place.relative, flags)
        except OSError as error:
            raise _open_error(error, place.path) from error


def _open_root(directory: str) -> Root:
    if not directory.startswith("/"):
        name = shown(directory)
        raise field_invalid("root", f"{name} is not an absolute path", root=name)
    try:
        fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        real = os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115 - of a descriptor
    except OSError as error:
        name = shown(directory)
        reason = f"{name} cannot be opened: {error.strerror}"
        raise field_invalid("root", reason, root=name) from error
    path = os.path.normpath(directory)
    return Root("/" + path.lstrip("/"), real, fd)


def _check_type(status: os.stat_result, path: str) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind in (stat.S_IFREG, stat.S_IFBLK):
        return
    found = _WRONG_TYPE.get(kind, "something unknown")
    raise ServiceError(
        Kind.TARGET_WRONG_STATE,
        f"The path names {found}, an image is a regular file or a block device",
        uri=path,
        found=found,
    )


# What the kernel answers, as kind and text; anything else is an I/O error.
_OPEN_ERRORS = {
    errno.ENOENT: (Kind.TARGET_NOT_FOUND, "There is no such file"),
    errno.ENOTDIR: (
        Kind.TARGET_NOT_FOUND,
        "A part of the path is a file where a directory is needed",
    ),
    errno.EACCES: (Kind.PERMISSION_DENIED, "The server may not open this file"),
    errno.EPERM: (Kind.PERMISSION_DENIED, "The server may not open this file so"),
    errno.EROFS: (
        Kind.PERMISSION_DENIED,
        "The file is on a file system that is mounted read-only",
    ),
    errno.EXDEV: (
        Kind.PERMISSION_DENIED,
        "The path leads out of its root (absolute links are never followed)",
    ),
    errno.ELOOP: (
        Kind.TARGET_WRONG_STATE,
        "The path goes round in symbolic links, or through a link of /proc",
    ),
    errno.ENXIO: (Kind.TARGET_WRONG_STATE, "The device behind the path is absent"),
    errno.ENAMETOOLONG: (Kind.FIELD_INVALID, "The path is too long"),
    errno.ETXTBSY: (Kind.TARGET_BUSY, "The file is a program that runs now"),
    errno.EBUSY: (Kind.TARGET_BUSY, "The device is in use"),
    errno.EMFILE: (Kind.RATE_LIMIT, "The server has as many files open as it may"),
    errno.ENFILE: (Kind.RATE_LIMIT, "The host has as many files open as it may"),
}


def _open_error(error: OSError, path: str) -> ServiceError:
    known = _OPEN_ERRORS.get(error.errno or 0)
    if known is None:
        return io_error(error, "open", path, 0)
    kind, text = known
    return ServiceError(kind, text, uri=path, errno=error.errno)
