"""Frozen, slotted dataclasses to JSON text and from JSON values, by their type hints.

A field that has its default is left out. Types understood: plain JSON types,
enums and flags (by value), dataclasses, tuples of one type, dicts of plain
values, and one of these or None.
"""

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from enum import Enum, Flag
from functools import cache
from operator import attrgetter
from typing import Any

Text = Callable[[Any], str]
Translate = Callable[[Any], Any]

# ASCII, because a file name may hold half a surrogate pair that UTF-8 refuses.
to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Way:
    """To text, and back from what was parsed; None where that is the value already."""

    encode: Text = to_json
    decode: Translate | None = None


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    hint: Any
    default: Any  # MISSING if there is none
    way: Way


@dataclass(frozen=True, slots=True)
class Codec:
    encode: Text
    decode: Callable[[dict[str, Any]], Any]


@cache
def codec(cls: type[Any]) -> Codec:
    fields = fields_of(cls)
    return Codec(encoder(fields), decoder(cls, fields))


def fields_of(cls: type[Any], special: typing.Container[str] = ()) -> list[Field]:
    """The fields of a dataclass; the special ones the caller translates itself."""
    hints = typing.get_type_hints(cls)
    return [
        Field(
            field.name,
            hints[field.name],
            _default(field),
            Way() if field.name in special else way(hints[field.name]),
        )
        for field in dataclasses.fields(cls)
    ]


def _default(field: "dataclasses.Field[Any]") -> Any:
    return (
        field.default if field.default_factory is MISSING else field.default_factory()
    )


def _values_of(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Fields of a value, all at once."""
    if len(names) == 1:
        # One alone would come bare, not as a tuple.
        return lambda value: (getattr(value, names[0]),)
    return attrgetter(*names)


def encoder(fields: list[Field]) -> Text:
    """Writes the text itself: by way of a dict it takes twice as long."""
    values = _values_of([field.name for field in fields])
    steps = [(f'"{field.name}":', field.default, field.way.encode) for field in fields]

    def encode(value: Any) -> str:
        parts = [
            name + text(item)
            for (name, default, text), item in zip(steps, values(value), strict=True)
            if item is not default and item != default
        ]
        return f"{{{','.join(parts)}}}"

    return encode


def decoder(cls: type[Any], fields: list[Field]) -> Callable[[dict[str, Any]], Any]:
    """Fills the slots itself: `__init__` by name takes three times as long."""
    assert not hasattr(cls, "__post_init__"), "it would not run"
    new = object.__new__
    known = frozenset(field.name for field in fields)
    steps = [
        (f.name, getattr(cls, f.name).__set__, f.default, f.way.decode) for f in fields
    ]
    dicts = [(f.name, getattr(cls, f.name).__set__) for f in fields if f.default == {}]

    def decode(raw: dict[str, Any]) -> Any:
        value = new(cls)
        for name, put, default, translate in steps:
            if name in raw:
                item = raw[name]
                put(value, item if translate is None else translate(item))
            elif default is MISSING:
                raise KeyError(name)
            else:
                put(value, default)
        for name, put in dicts:
            # A dict must not be shared among values, even an empty one.
            if name not in raw:
                put(value, {})
        if not raw.keys() <= known:
            raise KeyError(*(raw.keys() - known))
        return value

    return decode


def way(hint: Any) -> Way:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        of_class = codec(hint)
        return Way(of_class.encode, of_class.decode)
    if isinstance(hint, type) and issubclass(hint, Flag):
        return Way(lambda flag: repr(flag._value_), cache(lambda bits: hint(bits)))
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = {member.value: member for member in hint}
        texts = {value: to_json(value) for value in members}
        return Way(lambda member: texts[member._value_], members.__getitem__)
    if origin in (types.UnionType, typing.Union):
        return _optional(inner)
    if origin is tuple:
        return _sequence(inner)
    if origin is dict:
        assert inner[1] in _PLAIN or _are_plain(inner[1]), "values are plain"
        return Way()
    assert hint in _PLAIN, f"no way to write {hint}"
    return Way(_PLAIN[hint])


def _number(item: float) -> str:
    if item - item:  # of NaN and of infinities it is NaN
        raise ValueError(f"{item} has no place in JSON")
    return repr(item)


_PLAIN: dict[Any, Text] = {
    int: _number,
    float: _number,
    str: json.encoder.encode_basestring_ascii,
    bool: to_json,
    type(None): to_json,
}


def _are_plain(hint: Any) -> bool:
    return all(choice in _PLAIN for choice in typing.get_args(hint))


def _optional(choices: tuple[Any, ...]) -> Way:
    ways = [way(choice) for choice in choices if choice is not type(None)]
    if len(ways) > 1 and all(choice in _PLAIN for choice in choices):
        return Way()
    assert len(ways) == 1, "one type or None"
    # None is always the default and never reaches the translation.
    return ways[0]


def _sequence(inner: tuple[Any, ...]) -> Way:
    assert inner[1:] == (Ellipsis,), "tuples are of one type"
    item = way(inner[0])
    encode, decode = item.encode, item.decode
    return Way(
        lambda items: f"[{','.join([encode(one) for one in items])}]",
        tuple
        if decode is None
        else lambda items: tuple([decode(one) for one in items]),
    )
