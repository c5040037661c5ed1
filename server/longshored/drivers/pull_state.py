"""The checkpoint of a pull: which image it is about, and what has been published.

What is still to do is not in it: a later attempt sees that in the image itself.
"""

import json
from dataclasses import asdict, dataclass, field

from ..block.node import Identity
from ..errors import Kind, ServiceError

_VERSION = 1


@dataclass(frozen=True, slots=True)
class PullState:
    """Bytes count guest bytes; `start_time` is that of the first attempt.

    `handle` is what the file system calls the file; empty where it does not say.
    """

    device: int
    inode: int
    virtual_size: int
    total: int  # to be copied, as the first attempt planned it
    start_time: int
    link_count: int
    copied: int = 0
    zeroed: int = 0
    handle: str = field(default="", kw_only=True)

    def check_same(
        self, identity: Identity, handle: str, virtual_size: int, uri: str
    ) -> None:
        """Raise if the image is not the one that an earlier attempt worked on.

        The handle decides where there is one: the device may have another number
        since the machine was started again, and the inode another file.
        """
        before = Identity(self.device, self.inode)
        if self.handle and handle:
            is_same = self.handle == handle
        else:
            is_same = before == identity
        if not is_same or self.virtual_size != virtual_size:
            raise ServiceError(
                Kind.INTERRUPTED_BY_RESTART,
                "The image is not the one that this job had begun to populate",
                uri=uri,
                expected=f"{self.handle or before}, {self.virtual_size} bytes",
                found=f"{handle or identity}, {virtual_size} bytes",
            )


def encode_state(state: PullState) -> bytes:
    return json.dumps({"version": _VERSION} | asdict(state)).encode()


def decode_state(data: bytes) -> PullState:
    """What `encode_state` wrote; INTERNAL if it is anything else."""
    try:
        values = json.loads(data)
        if values.pop("version") == _VERSION:
            # Checkpoints had no handle once.
            handle = str(values.pop("handle", ""))
            counts = {name: int(value) for name, value in values.items()}
            return PullState(**counts, handle=handle)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable() from error
    raise _unreadable()


def _unreadable() -> ServiceError:
    return ServiceError(Kind.INTERNAL, "The checkpoint of this pull cannot be read")
