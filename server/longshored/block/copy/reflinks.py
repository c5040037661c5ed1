"""Copies that move no bytes: the top shares the blocks of the images below it.

Only where the file system offers that, and for whole blocks of their files. All else
is copied, and so is what fails here: a copy then says what is wrong, and on which side.
"""

import errno
from collections.abc import Sequence

from ...units import is_aligned
from ..raw import RawNode
from ..reflink import REFLINK_ALIGNMENT, offers_reflink, reflink
from .plan import Copy

# Passes with the place or the moment: XFS says so of a part of the disk that is
# nearly full. After any other refusal nobody asks again.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR})


class Reflinks:
    """The files of a chain by depth, and those of them that can share with the target.

    Used by every worker at once.
    """

    def __init__(self, files: Sequence[RawNode], target: RawNode) -> None:
        # Set once.
        self._files = tuple(files)
        self._target = target
        # Replaced as a whole by whoever finds that it is not so.
        self._offered = frozenset(
            depth
            for depth, file in enumerate(files)
            if offers_reflink(file.fd, target.fd)
        )

    def covers(self, copies: Sequence[Copy]) -> bool:
        """Whether `make` is worth trying."""
        return all(map(self._covers, copies))

    def make(self, copies: Sequence[Copy], offset: int) -> bool:
        """Share them side by side from `offset` of the target on; False: copy them."""
        for copy in copies:
            assert copy.host_offset is not None, "make comes after covers"
            source = self._files[copy.depth].fd
            try:
                reflink(source, copy.host_offset, copy.length, self._target.fd, offset)
            except OSError as error:
                if error.errno not in _PASSING:
                    self._offered -= {copy.depth}
                return False
            offset += copy.length
        return True

    def _covers(self, copy: Copy) -> bool:
        return (
            copy.depth in self._offered
            and copy.host_offset is not None
            and is_aligned(copy.host_offset, REFLINK_ALIGNMENT)
            and is_aligned(copy.length, REFLINK_ALIGNMENT)
            and copy.host_offset + copy.length <= self._files[copy.depth].size
        )
