"""A job as text: how the store writes one down, and reads it back.

`1 5f0c81aa {"number":7,…}`: the version of the form, a CRC-32 of the rest, and
compact JSON. A field that has its default is left out, so a default in
`job.model` is part of the form: to change one takes a new version, and a test
pins them. The CRC finds flipped bits that would still parse.
"""

import dataclasses
import json
import typing
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from ..errors import Kind, ServiceError
from ..job.model import Job
from ..job.spec import RESULTS, SPECS, STATUSES
from ..remembered import Remembered, RememberedFields
from .codec import Field, Text, Way, codec, decoder, encoder, fields_of

VERSION = 1

_from_json = json.JSONDecoder().decode

_BODY = len(f"{VERSION} 5f0c81aa ")

# Fields whose type is told by the kind of the job.
_BY_KIND: dict[str, Mapping[str, type]] = {
    "spec": SPECS,
    "status": STATUSES,
    "result": RESULTS,
}


def encode(job: Job) -> str:
    body = _job_encoder()(job)
    return _head(body) + body


def decode(text: str) -> Job:
    """Raises ServiceError(STORE_UNAVAILABLE) for anything but what encode() wrote."""
    body = text[_BODY:]
    try:
        if text[:_BODY] != _head(body):
            raise ValueError(f"checksum or form is wrong: {text[:_BODY]!r}")
        return _decoded(_from_json(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(
            Kind.STORE_UNAVAILABLE, "A job in the store is damaged", why=repr(error)
        ) from error


def _head(body: str) -> str:
    return f"{VERSION} {zlib.crc32(body.encode('ascii')):08x} "


def _decoded(raw: dict[str, Any]) -> Job:
    kind = raw["kind"]
    for name, types in _BY_KIND.items():
        if name in raw:
            raw[name] = codec(types[kind]).decode(raw[name])
    job = _job_decoder()(raw)
    assert isinstance(job, Job)
    return job


@cache
def _job_decoder() -> Callable[[dict[str, Any]], Any]:
    return decoder(Job, fields_of(Job, special=_BY_KIND))


@cache
def _job_encoder() -> Text:
    """As of any dataclass, but what is the same as in the change before is mostly
    remembered."""
    # Parts that are values of their own come last.
    found = [(field, _text(field)) for field in fields_of(Job, special=_BY_KIND)]
    fields = [field for field, text in found if text is None]
    fields += [dataclasses.replace(f, way=Way(text)) for f, text in found if text]
    constant = RememberedFields[Job, str](
        _CONSTANT, encoder([field for field in fields if field.name in _CONSTANT])
    )
    others = encoder([field for field in fields if field.name not in _CONSTANT])

    def encode(job: Job) -> str:
        first, rest = constant.of(job), others(job)
        return first if rest == "{}" else f"{first[:-1]},{rest[1:]}"

    return encode


# What a job is made with; the first is no other job's.
_CONSTANT = (
    *("uid", "number", "job_id", "kind", "spec", "create_time", "owner", "host"),
    *("labels", "after", "group", "on_conflict_queue", "create_revision"),
    "traceparent",
)


def _text(field: Field) -> Text | None:
    """How a part that is mostly remembered is written."""
    inner = typing.get_args(field.hint)
    if field.name in _BY_KIND or dataclasses.is_dataclass(field.hint):
        return _remembered
    if typing.get_origin(field.hint) is tuple and dataclasses.is_dataclass(inner[0]):
        return lambda items: f"[{','.join([_remembered(item) for item in items])}]"
    return None


def _written(value: Any) -> str:
    return codec(value.__class__).encode(value)


_remembered = Remembered[Any, str](_written).of
