"""New files: complete under their name, or not there at all.

A file is written as `.<name>.<token>.part` in the directory where it shall
live. It gets its name, never replacing another, only when it is whole and on
disk; then the directory is flushed too.
"""

import ctypes
import errno
import os

from ..errors import Kind, ServiceError
from .ioerror import io_error
from .node import Mode
from .openat2 import open_beneath
from .pathname import LONGEST_NAME
from .raw import RawNode, open_raw
from .roots import Place, Roots

_NO_REPLACE = 1  # RENAME_NOREPLACE
_NO_SUCH_RENAME = (errno.EINVAL, errno.ENOSYS)
_MODE = 0o600  # whoever may read an image reads a whole disk

_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
_renameat2.argtypes = (
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_int,
    ctypes.c_char_p,
    ctypes.c_uint,
)


def part_name(name: str, token: str) -> str:
    """Under which name a file is written; cut so that it is a legal name itself."""
    room = LONGEST_NAME - len(f"..{token}.part".encode())
    kept = name.encode()[:room].decode(errors="ignore")
    return f".{kept}.{token}.part"


class NewFile:
    """A file in the making; `node` writes it. End it by `publish` or `abandon`."""

    def __init__(self, place: Place, parent: int, part: str, node: RawNode) -> None:
        self.place = place
        self.node = node
        self._parent = parent
        self._part = part

    def publish(self) -> None:
        """Flush it, give it its name and flush the directory; else raise.

        The node stays open. TARGET_EXISTS if the name was taken meanwhile.
        """
        self.node.flush()
        try:
            _rename(self._parent, self._part, self.place.name)
            os.fsync(self._parent)
        except FileExistsError as error:
            raise exists(self.place) from error
        except OSError as error:
            raise io_error(error, "name the new file", self.place.path, 0) from error
        os.close(self._parent)

    def abandon(self) -> None:
        """Remove what was written and close the node."""
        try:
            os.unlink(self._part, dir_fd=self._parent)
        except FileNotFoundError:
            pass
        finally:
            os.close(self._parent)
            self.node.close()


def create_new(roots: Roots, place: Place, token: str) -> NewFile:
    """Start a new file; the token (a job id) says whose leftovers a crash left."""
    parent = roots.open_parent(place)
    part = part_name(place.name, token)
    try:
        _check_free(parent, place)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        fd = open_beneath(parent, part, flags, _MODE)
        node = open_raw(fd, place.path, Mode.WRITE)
    except FileExistsError as error:
        os.close(parent)
        raise exists(place) from error
    except OSError as error:
        os.close(parent)
        raise io_error(error, "create", place.path, 0) from error
    return NewFile(place, parent, part, node)


def exists(place: Place) -> ServiceError:
    return ServiceError(
        Kind.TARGET_EXISTS,
        "A file with this name exists, and nothing is ever replaced",
        uri=place.path,
    )


def _check_free(parent: int, place: Place) -> None:
    try:
        os.stat(place.name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


def _rename(directory: int, old: str, new: str) -> None:
    before, after = os.fsencode(old), os.fsencode(new)
    if not _renameat2(directory, before, directory, after, _NO_REPLACE):
        return
    number = ctypes.get_errno()
    if number not in _NO_SUCH_RENAME:
        raise OSError(number, os.strerror(number))
    # A file system without this rename: a link does not replace either. After a
    # crash in between the file has both names, and the part is swept.
    os.link(old, new, src_dir_fd=directory, dst_dir_fd=directory)
    os.unlink(old, dir_fd=directory)
