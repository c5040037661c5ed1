"""Names of jobs: the unique one that the daemon makes, the one a client chooses."""

import re
from collections.abc import Callable

from ..clock import Instant
from ..errors import field_invalid

JOB_ID_PATTERN = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_JOB_ID = re.compile(JOB_ID_PATTERN)

RandomBytes = Callable[[int], bytes]


def uuid7(now: Instant, random: RandomBytes) -> str:
    """A UUID of version 7 (RFC 9562 §5.7) as text.

    The 12 bits after the milliseconds hold the fraction of the millisecond, so
    that ids made one after the other sort that way.
    """
    millis, rest = divmod(now, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    tail = int.from_bytes(random(8)) & (2**62 - 1)
    value = millis << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | tail
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def check_job_id(job_id: str, field: str = "job_id") -> None:
    """Raise ServiceError(FIELD_INVALID) unless a client may use this name."""
    if not _JOB_ID.fullmatch(job_id):
        raise field_invalid(
            field,
            "Must be 1 to 63 lower-case letters, digits and inner hyphens",
            value=job_id[:80],
        )
