"""Every number and every choice of a request, set to what nobody would send.

The fields are found in the descriptors of the contract, so a new field is tried from
its first day.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

_LARGEST = {
    FieldDescriptor.TYPE_INT32: (1 << 31) - 1,
    FieldDescriptor.TYPE_INT64: (1 << 63) - 1,
}
# Deeper the contract does not go, apart from messages inside themselves.
_DEEPEST = 5

# What an answer holds and a request only carries along: never read.
_OUTPUT = frozenset({"status", "result", "progress"})


@dataclass(frozen=True, slots=True)
class Oddity:
    """One field by its path, and a value for it."""

    path: tuple[str, ...]
    value: object
    is_negative: bool = False

    def __str__(self) -> str:
        return f"{'.'.join(self.path)}={self.value}"

    @property
    def field(self) -> str:
        return self.path[-1]

    def put_into(self, request: Message) -> None:
        """Set the field; whatever lies on the way to it is made."""
        message: Any = request
        for name in self.path[:-1]:
            part = getattr(message, name)
            message = _element(part) if hasattr(part, "add") else part
        last = getattr(message, self.field)
        if hasattr(last, "append"):
            last.append(self.value)
        else:
            setattr(message, self.field, self.value)


def _element(repeated: Any) -> Any:
    return repeated[0] if len(repeated) else repeated.add()


def oddities(kind: Descriptor, above: tuple[str, ...] = ()) -> Iterator[Oddity]:
    if len(above) > _DEEPEST:
        return
    for field in kind.fields:
        path = (*above, field.name)
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            inner = inner_of(field)
            is_map = inner.GetOptions().map_entry
            if not is_map and field.name not in _OUTPUT and inner.name != "Any":
                yield from oddities(inner, path)
        elif field.type == FieldDescriptor.TYPE_ENUM:
            yield Oddity(path, 99)
            yield Oddity(path, -1, is_negative=True)
        elif (largest := _LARGEST.get(field.type)) is not None:
            for value in (-1, -largest - 1):
                yield Oddity(path, value, is_negative=True)
            yield Oddity(path, largest)
            yield Oddity(path, 0)


def inner_of(field: FieldDescriptor) -> Descriptor:
    """The message that a field holds."""
    assert field.message_type is not None
    return field.message_type
