"""FICLONERANGE: blocks that two files of one file system share, until one is written.

ioctl_ficlonerange(2). XFS and Btrfs do it, NFS 4.2 asks its server to; ext4 does not.
"""

import errno
import fcntl
import os
import stat
import struct

from ..units import KiB

# Offsets and lengths are multiples of the file system's block. Where that is larger
# the call is refused, and a copy takes its place.
REFLINK_ALIGNMENT = 4 * KiB

_FICLONERANGE = 0x4020940D  # linux/fs.h
# Behind the end of every file.
_NOWHERE = 1 << 62


def reflink(
    source: int, source_offset: int, length: int, target: int, target_offset: int
) -> None:
    """Let a range of one descriptor's file be one of another's, or raise OSError.

    What the target had there is given up. Durable after its flush, as a write is.
    """
    wanted = struct.pack("qQQQ", source, source_offset, length, target_offset)
    fcntl.ioctl(target, _FICLONERANGE, wanted)


def offers_reflink(source: int, target: int) -> bool:
    """Whether two files may share blocks. Changes nothing.

    A range is asked for that no file has: that this is wrong says only a file system
    that shares blocks. The others say first that they do not. The kernel itself says
    the same of what is no file, such as a block device.
    """
    if not _is_file(source) or not _is_file(target):
        return False
    try:
        reflink(source, _NOWHERE, REFLINK_ALIGNMENT, target, 0)
    except OSError as error:
        return error.errno == errno.EINVAL
    return False


def _is_file(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)
