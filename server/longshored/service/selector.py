"""Which jobs a request means: JobSelector -> JobQuery, and a key that names it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from longshore.v1 import watch_pb2

from ..job.states import State
from ..store.query import JobQuery
from .checks import MOST_LABELS, at_most, refuse

_MOST_NAMES = 500
_MOST_TYPES = 64
_LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Selection:
    """A query, and a key that equal queries share; b"" selects everything."""

    key: bytes
    query: JobQuery


EVERYTHING = Selection(b"", JobQuery())


def selection(
    message: watch_pb2.JobSelector, states: frozenset[State] = frozenset()
) -> Selection:
    if not states and not message.ByteSize():
        return EVERYTHING
    query = JobQuery(
        job_ids=_names("selector.job_ids", message.job_ids, _MOST_NAMES),
        kinds=_names("selector.job_types", message.job_types, _MOST_TYPES),
        domain_ids=_names("selector.domain_ids", message.domain_ids, _MOST_NAMES),
        group_ids=_names("selector.group_ids", message.group_ids, _MOST_NAMES),
        labels=_labels(message),
        states=states,
    )
    return Selection(_key(query), query)


def of_job(job_id: str) -> Selection:
    """The selection of one job by name."""
    query = JobQuery(job_ids=frozenset({job_id}))
    return Selection(_key(query), query)


def _names(field: str, values: Iterable[str], most: int) -> frozenset[str]:
    names = list(values)
    at_most(field, len(names), most)
    for index, name in enumerate(names):
        if not 1 <= len(name.encode()) <= _LONGEST_NAME:
            refuse(f"{field}[{index}]", "Must be 1 to 255 bytes")
    return frozenset(names)


def _labels(message: watch_pb2.JobSelector) -> dict[str, str]:
    at_most("selector.labels", len(message.labels), MOST_LABELS)
    return dict(message.labels)


def _key(query: JobQuery) -> bytes:
    parts = (
        sorted(query.job_ids),
        sorted(query.kinds),
        sorted(query.domain_ids),
        sorted(query.group_ids),
        sorted(query.labels.items()),
        sorted(state.value for state in query.states),
    )
    if not any(parts):
        return b""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
