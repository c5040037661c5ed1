"""What every request is checked for: ranges, lengths, characters. The caps of v1."""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import NoReturn

from ..errors import field_invalid

JOB_ID_BYTES = 63
MOST_LABELS = 32
LABEL_KEY_BYTES = 63
LABEL_VALUE_BYTES = 255
COMMENT_BYTES = 1024
JOB_BYTES = 16 * 1024
REQUEST_BYTES = 1024 * 1024
MOST_AFTER = 32
MOST_MEMBERS = 100

_JOB_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def refuse(field: str, description: str) -> NoReturn:
    raise field_invalid(field, description)


def in_range(field: str, value: int, lowest: int, highest: int) -> int:
    if not lowest <= value <= highest:
        refuse(field, f"Must be from {lowest:,} to {highest:,}, not {value}")
    return value


def at_most(field: str, count: int, most: int) -> None:
    if count > most:
        refuse(field, f"Holds {count:,} entries; at most {most:,} are allowed")


def not_negative(field: str, value: int) -> int:
    if value < 0:
        refuse(field, f"Must not be negative, and is {value}")
    return value


def job_id(field: str, value: str, *, required: bool = True) -> str:
    """A name as the contract wants it; empty only where it is not required."""
    if not value and not required:
        return value
    if not _JOB_ID.fullmatch(value):
        refuse(
            field,
            "Must be 1 to 63 lower-case letters, digits and inner hyphens, "
            f"not {value[:80]!r}",
        )
    return value


def request_id(value: str) -> str:
    if value:
        try:
            uuid.UUID(value)
        except ValueError:
            refuse("request_id", f"Must be a UUID, not {value[:80]!r}")
    return value


def comment(value: str) -> str:
    if (size := len(value.encode())) > COMMENT_BYTES:
        refuse("comment", f"Must be at most {COMMENT_BYTES:,} bytes, and is {size:,}")
    return value


def labels(field: str, values: Mapping[str, str]) -> dict[str, str]:
    at_most(field, len(values), MOST_LABELS)
    for key, value in values.items():
        if not 1 <= len(key.encode()) <= LABEL_KEY_BYTES:
            refuse(field, f"A key must be 1 to 63 bytes, not {key[:80]!r}")
        if len(value.encode()) > LABEL_VALUE_BYTES:
            refuse(f"{field}[{key!r}]", "A value must be at most 255 bytes")
        if any(ord(char) < 32 for char in key + value):
            refuse(f"{field}[{key[:80]!r}]", "Must not hold control characters")
    return dict(values)


def job_ids(field: str, values: Sequence[str], most: int) -> tuple[str, ...]:
    at_most(field, len(values), most)
    return tuple(
        job_id(f"{field}[{index}]", value) for index, value in enumerate(values)
    )
