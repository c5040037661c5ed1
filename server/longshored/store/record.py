"""A job as text: how the store writes one down, and reads it back.

`1 5f0c81aa {"number":7,…}`: the version of the form, a CRC-32 of the rest, and
compact JSON. A field that has its default is left out, so a default in
`job.model` is part of the form: to change one takes a new version, and a test
pins them. The CRC finds flipped bits that would still parse.

The translation of each dataclass is made once, from its type hints.
"""

import dataclasses
import json
import types
import typing
import zlib
from collections.abc import Callable, Mapping
from enum import Enum, Flag
from functools import cache
from operator import attrgetter
from typing import Any

from ..errors import Kind, ServiceError
from ..job.model import Job
from ..job.spec import RESULTS, SPECS, STATUSES

VERSION = 1

# ASCII, because a file name may hold half a surrogate pair that UTF-8 refuses.
_to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_from_json = json.JSONDecoder().decode

_BODY = len(f"{VERSION} 5f0c81aa ")


def encode(job: Job) -> str:
    values, fields = _job_fields()
    plain: dict[str, Any] = {}
    parts: list[str] = []
    for (name, default, text, translate), item in zip(fields, values(job), strict=True):
        if item is default or item == default:
            continue
        if text is not None:
            parts.append(f',"{name}":{text(item)}')
        else:
            plain[name] = item if translate is None else translate(item)
    # `plain` is never empty: a job has a number.
    body = f"{_to_json(plain)[:-1]}{''.join(parts)}}}"
    return _head(body) + body


def decode(text: str) -> Job:
    """Raises ServiceError(STORE_UNAVAILABLE) for anything but what encode() wrote."""
    body = text[_BODY:]
    try:
        if text[:_BODY] != _head(body):
            raise ValueError(f"checksum or form is wrong: {text[:_BODY]!r}")
        job = _codec(Job).decode(_from_json(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(
            Kind.STORE_UNAVAILABLE, "A job in the store is damaged", why=repr(error)
        ) from error
    assert isinstance(job, Job)
    return job


def _head(body: str) -> str:
    return f"{VERSION} {zlib.crc32(body.encode('ascii')):08x} "


Translate = Callable[[Any], Any]

# Fields whose type is told by the kind of the job.
_BY_KIND: dict[str, Mapping[str, type]] = {
    "spec": SPECS,
    "status": STATUSES,
    "result": RESULTS,
}


@dataclasses.dataclass(frozen=True, slots=True)
class _Codec:
    """None in place of a translation: the value is JSON already."""

    encode: Translate
    decode: Translate


@cache
def _codec(cls: type) -> _Codec:
    hints = typing.get_type_hints(cls)
    fields = dataclasses.fields(cls)
    names = tuple(field.name for field in fields)
    defaults = tuple(_default(field) for field in fields)
    ways = {name: _way(cls, name, hints[name]) for name in names}
    encoders = tuple(ways[name][0] for name in names)
    decoders = {name: ways[name][1] for name in names}
    # One field alone would come bare, not as a tuple.
    values = attrgetter(*names) if len(names) > 1 else lambda v: (getattr(v, names[0]),)

    def encode(value: object) -> dict[str, Any]:
        return {
            name: item if translate is None else translate(item)
            for name, item, default, translate in zip(
                names, values(value), defaults, encoders, strict=True
            )
            if item is not default and item != default
        }

    def decode(raw: dict[str, Any]) -> object:
        filled = dict(raw)
        for name, item in raw.items():
            if (translate := decoders[name]) is not None:
                filled[name] = translate(item)
        return cls(**filled)

    def decode_by_kind(raw: dict[str, Any]) -> object:
        kind = raw["kind"]
        typed = {
            name: _codec(table[kind]).decode(raw[name])
            for name, table in _BY_KIND.items()
            if name in raw
        }
        return decode(raw | typed)

    return _Codec(encode, decode_by_kind if cls is Job else decode)


_Field = tuple[str, object, Callable[[Any], str] | None, "Translate | None"]


@cache
def _job_fields() -> tuple[Callable[[Job], tuple[Any, ...]], list[_Field]]:
    """How to read a job's fields, and for each: name, default, way to text or JSON."""
    hints = typing.get_type_hints(Job)
    fields: list[_Field] = [
        (
            field.name,
            _default(field),
            _text(field.name, hints),
            _way(Job, field.name, hints[field.name])[0],
        )
        for field in dataclasses.fields(Job)
    ]
    return attrgetter(*(name for name, *_ in fields)), fields


def _text(name: str, hints: dict[str, Any]) -> Callable[[Any], str] | None:
    """For the parts of a job that are values of their own: text, mostly remembered."""
    hint = hints[name]
    inner = typing.get_args(hint)
    if name in _BY_KIND or dataclasses.is_dataclass(hint):
        return _remembered
    if typing.get_origin(hint) is tuple and dataclasses.is_dataclass(inner[0]):
        return lambda items: f"[{','.join([_remembered(item) for item in items])}]"
    return None


# A change of a job leaves most of its parts the very same objects (spec, nodes,
# options, old history), so their text is remembered by identity. The object is
# kept with it: its id cannot be used again meanwhile.
_MEMORY = 8192
_texts: dict[int, tuple[object, str]] = {}


def _remembered(value: Any) -> str:
    known = _texts.get(id(value))
    if known is not None and known[0] is value:
        return known[1]
    text = _to_json(_codec(value.__class__).encode(value))
    if len(_texts) >= _MEMORY:
        _texts.clear()
    _texts[id(value)] = (value, text)
    return text


def _default(field: "dataclasses.Field[Any]") -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


_Way = tuple[Translate | None, Translate | None]


def _way(cls: type, name: str, hint: Any) -> _Way:
    by_kind = cls is Job and name in _BY_KIND
    return (None, None) if by_kind else _translation(hint)


def _translation(hint: Any) -> _Way:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        codec = _codec(hint)
        return codec.encode, codec.decode
    if isinstance(hint, type) and issubclass(hint, Flag):
        return attrgetter("_value_"), cache(lambda bits: hint(bits))
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = {member.value: member for member in hint}
        return attrgetter("_value_"), members.__getitem__
    if origin in (types.UnionType, typing.Union):
        return _optional(inner)
    if origin is tuple:
        return _sequence(inner)
    if origin is dict:
        assert _translation(inner[1]) == (None, None), "values are plain"
        return None, None
    assert hint in (int, float, str, bool, type(None)), f"no way to write {hint}"
    return None, None


def _optional(choices: tuple[Any, ...]) -> _Way:
    ways = [_translation(choice) for choice in choices if choice is not type(None)]
    if all(way == (None, None) for way in ways):
        return None, None
    assert len(ways) == 1, "one type or None"
    # None is always the default and never reaches the translation.
    return ways[0]


def _sequence(inner: tuple[Any, ...]) -> _Way:
    assert inner[1:] == (Ellipsis,), "tuples are of one type"
    to_json, from_json = _translation(inner[0])
    if to_json is None or from_json is None:
        return list, tuple
    return (lambda items: [to_json(i) for i in items]), (
        lambda items: tuple([from_json(i) for i in items])
    )
