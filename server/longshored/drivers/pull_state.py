"""The checkpoint of a pull: which image it is about, and what has been published.

What is still to do is not in it: a later attempt sees that in the image itself.
"""

import json
from dataclasses import asdict, dataclass, fields

from ..block.node import Identity
from ..errors import Kind, ServiceError

_VERSION = 1


@dataclass(frozen=True, slots=True)
class PullState:
    """Bytes count guest bytes; `start_time` is that of the first attempt."""

    device: int
    inode: int
    virtual_size: int
    total: int  # to be copied, as the first attempt planned it
    start_time: int
    link_count: int
    copied: int = 0
    zeroed: int = 0

    def check_same(self, identity: Identity, virtual_size: int, uri: str) -> None:
        """Raise if the image is not the one that an earlier attempt worked on."""
        now = (identity.device, identity.inode, virtual_size)
        if now != (self.device, self.inode, self.virtual_size):
            raise ServiceError(
                Kind.INTERRUPTED_BY_RESTART,
                "The image is not the one that this job had begun to populate",
                uri=uri,
                expected=f"{self.device:x}:{self.inode}, {self.virtual_size} bytes",
                found=f"{identity}, {virtual_size} bytes",
            )


def encode_state(state: PullState) -> bytes:
    return json.dumps({"version": _VERSION} | asdict(state)).encode()


def decode_state(data: bytes) -> PullState:
    """What `encode_state` wrote; INTERNAL if it is anything else."""
    try:
        values = json.loads(data)
        if values.pop("version") == _VERSION:
            return PullState(**{one.name: int(values[one.name]) for one in _FIELDS})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable() from error
    raise _unreadable()


_FIELDS = fields(PullState)


def _unreadable() -> ServiceError:
    return ServiceError(Kind.INTERNAL, "The checkpoint of this pull cannot be read")
