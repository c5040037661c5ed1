"""Frozen, slotted dataclasses as JSON values and back, made once from type hints.

A field that has its default is left out. Types understood: plain JSON types,
enums and flags (by value), dataclasses, tuples of one type, dicts of plain
values, and one of these or None.
"""

import dataclasses
import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from enum import Enum, Flag
from functools import cache
from operator import attrgetter
from typing import Any

Translate = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Way:
    """To JSON and back; None where the value is JSON already."""

    encode: Translate | None = None
    decode: Translate | None = None


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    hint: Any
    default: Any  # MISSING if there is none
    way: Way


@dataclass(frozen=True, slots=True)
class Codec:
    encode: Callable[[Any], dict[str, Any]]
    decode: Callable[[dict[str, Any]], Any]


@cache
def codec(cls: type[Any]) -> Codec:
    fields = fields_of(cls)
    return Codec(_encoder(cls, fields), decoder(cls, fields))


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


def values_of(cls: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """All fields of a value at once."""
    names = [field.name for field in dataclasses.fields(cls)]
    if len(names) == 1:
        # One alone would come bare, not as a tuple.
        return lambda value: (getattr(value, names[0]),)
    return attrgetter(*names)


def _encoder(cls: type[Any], fields: list[Field]) -> Callable[[Any], dict[str, Any]]:
    values = values_of(cls)
    steps = [(field.name, field.default, field.way.encode) for field in fields]

    def encode(value: Any) -> dict[str, Any]:
        return {
            name: item if translate is None else translate(item)
            for (name, default, translate), item in zip(
                steps, values(value), strict=True
            )
            if item is not default and item != default
        }

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
        return Way(attrgetter("_value_"), cache(lambda bits: hint(bits)))
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = {member.value: member for member in hint}
        return Way(attrgetter("_value_"), members.__getitem__)
    if origin in (types.UnionType, typing.Union):
        return _optional(inner)
    if origin is tuple:
        return _sequence(inner)
    if origin is dict:
        assert way(inner[1]) == Way(), "values are plain"
        return Way()
    assert hint in (int, float, str, bool, type(None)), f"no way to write {hint}"
    return Way()


def _optional(choices: tuple[Any, ...]) -> Way:
    ways = [way(choice) for choice in choices if choice is not type(None)]
    if all(plain == Way() for plain in ways):
        return Way()
    assert len(ways) == 1, "one type or None"
    # None is always the default and never reaches the translation.
    return ways[0]


def _sequence(inner: tuple[Any, ...]) -> Way:
    assert inner[1:] == (Ellipsis,), "tuples are of one type"
    item = way(inner[0])
    encode, decode = item.encode, item.decode
    if encode is None or decode is None:
        return Way(list, tuple)
    return Way(
        lambda items: [encode(one) for one in items],
        lambda items: tuple([decode(one) for one in items]),
    )
