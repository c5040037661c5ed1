"""Copies that move no bytes: the top shares the blocks of the images below it.

Only where the file system offers that, and for whole blocks of their files. All else
is copied, and so is what fails here: a copy then says what is wrong, and on which side.
"""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...units import is_aligned
from ..raw import RawNode
from ..reflink import REFLINK_ALIGNMENT, offers_reflink, reflink
from .plan import Copy

# Passes with the place or the moment: XFS says so of a part of the disk that is
# nearly full. After any other refusal nobody asks again.
_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EINTR})


@dataclass(frozen=True, slots=True)
class Sharing:
    """The files of a chain by depth, and those of them that share with the target."""

    files: tuple[RawNode, ...]
    depths: frozenset[int]

    @classmethod
    def asked(cls, files: Sequence[RawNode], target: int) -> "Sharing":
        """As the file system says; `target` is a descriptor that may write."""
        offered = (
            depth for depth, file in enumerate(files) if offers_reflink(file.fd, target)
        )
        return cls(tuple(files), frozenset(offered))

    def covers(self, copy: Copy) -> bool:
        return (
            copy.depth in self.depths
            and copy.host_offset is not None
            and is_aligned(copy.host_offset, REFLINK_ALIGNMENT)
            and is_aligned(copy.length, REFLINK_ALIGNMENT)
            and copy.host_offset + copy.length <= self.files[copy.depth].size
        )


class Reflinks:
    """Used by every worker at once."""

    def __init__(self, files: Sequence[RawNode], target: RawNode) -> None:
        # Set once.
        self._target = target
        # Replaced as a whole by whoever finds that it is not so.
        self._sharing = Sharing.asked(files, target.fd)

    def covers(self, copies: Sequence[Copy]) -> bool:
        """Whether `make` is worth trying."""
        return all(map(self._sharing.covers, copies))

    def make(self, copies: Sequence[Copy], offset: int) -> bool:
        """Share them side by side from `offset` of the target on; False: copy them."""
        sharing = self._sharing
        for copy in copies:
            assert copy.host_offset is not None, "make comes after covers"
            source = sharing.files[copy.depth].fd
            try:
                reflink(source, copy.host_offset, copy.length, self._target.fd, offset)
            except OSError as error:
                if error.errno not in _PASSING:
                    self._give_up(copy.depth)
                return False
            offset += copy.length
        return True

    def _give_up(self, depth: int) -> None:
        rest = self._sharing.depths - {depth}
        self._sharing = replace(self._sharing, depths=rest)
