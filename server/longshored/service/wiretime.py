"""Instants and spans of time: ours <-> google.protobuf."""

from functools import lru_cache
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2

from ..clock import SECOND, Instant
from ..errors import field_invalid

# Far beyond any use, and safe to turn into nanoseconds and floats.
_LONGEST_SECONDS = 100 * 366 * 86400


Fields = dict[str, Any]
"""The fields of a message, by name. Building a message from nested fields takes half
the time of building it from messages, each of which is copied."""


def timestamp_fields(instant: Instant | None) -> Fields | None:
    """A Timestamp as a field of a message that is being built."""
    if instant is None:
        return None
    seconds, nanos = divmod(instant, SECOND)
    return {"seconds": seconds, "nanos": nanos}


def duration_fields(seconds: float) -> Fields:
    """A Duration as a field of a message that is being built."""
    whole, nanos = divmod(round(seconds * SECOND), SECOND)
    return {"seconds": whole, "nanos": nanos}


def timestamp(instant: Instant) -> timestamp_pb2.Timestamp:
    seconds, nanos = divmod(instant, SECOND)
    return timestamp_pb2.Timestamp(seconds=seconds, nanos=nanos)


# Changes of one commit have one time, and it stays in the history of their jobs.
@lru_cache(4096)
def timestamp_bytes(instant: Instant) -> bytes:
    return timestamp(instant).SerializeToString()


def duration(seconds: float) -> duration_pb2.Duration:
    return duration_pb2.Duration(**duration_fields(seconds))


def instant(field: str, value: timestamp_pb2.Timestamp) -> Instant:
    """The instant of a request's field, from the epoch on to a century from it."""
    in_range = 0 <= value.seconds <= 8 * _LONGEST_SECONDS
    if not in_range or not 0 <= value.nanos < SECOND:
        raise field_invalid(
            field,
            "Must be a time after 1970, "
            f"not seconds={value.seconds} nanos={value.nanos}",
        )
    return value.seconds * SECOND + value.nanos


def span(field: str, value: duration_pb2.Duration) -> float:
    """The seconds of a request's field; never negative."""
    in_range = 0 <= value.seconds <= _LONGEST_SECONDS
    if not in_range or not 0 <= value.nanos < SECOND:
        raise field_invalid(
            field,
            "Must be a duration from 0 to 100 years, "
            f"not seconds={value.seconds} nanos={value.nanos}",
        )
    return value.seconds + value.nanos / SECOND
