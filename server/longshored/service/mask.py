"""Changes by mask: some fields of a message taken from another, others left."""

from typing import Any, TypeVar

from google.protobuf import field_mask_pb2
from google.protobuf.message import Message

from ..errors import ServiceError, Violation, field_invalid
from .checks import at_most

M = TypeVar("M", bound=Message)

MOST_PATHS = 32


def merge(before: M, change: M, mask: field_mask_pb2.FieldMask | None) -> M:
    """`before`, with the fields that the mask names as `change` has them.

    A field named and not set in `change` is taken away. Without a mask: the fields
    that are set in `change`. `before` itself is changed.
    """
    for path in _paths(change, mask):
        _copy_field(path.split("."), change, before)
    return before


def _paths(change: Message, mask: field_mask_pb2.FieldMask | None) -> list[str]:
    if mask is None:
        return [descriptor.name for descriptor, _ in change.ListFields()]
    at_most("update_mask", len(mask.paths), MOST_PATHS)
    wrong = [path for path in mask.paths if not _is_path(path, change)]
    if wrong:
        raise _unknown_paths(wrong, change)
    return list(mask.paths)


def _is_path(path: str, message: Message) -> bool:
    descriptor: Any = message.DESCRIPTOR
    return field_mask_pb2.FieldMask(paths=[path]).IsValidForDescriptor(descriptor)


def _unknown_paths(paths: list[str], message: Message) -> ServiceError:
    names = ", ".join(field.name for field in message.DESCRIPTOR.fields)
    wrong = f"Not an option: {', '.join(paths)[:200]}; options: {names}"
    error = field_invalid("update_mask", wrong)
    error.violations = tuple(
        Violation(f"update_mask.paths[{index}]", f"Not an option: {path[:64]!r}")
        for index, path in enumerate(paths)
    )
    return error


def _copy_field(path: list[str], source: Message, target: Message) -> None:
    name, *rest = path
    if rest:
        # To look into a field of the target makes it there.
        if source.HasField(name) or target.HasField(name):
            _copy_field(rest, getattr(source, name), getattr(target, name))
        return
    target.ClearField(name)
    descriptor = source.DESCRIPTOR.fields_by_name[name]
    if descriptor.is_repeated:
        getattr(target, name).MergeFrom(getattr(source, name))
    elif not descriptor.has_presence:
        setattr(target, name, getattr(source, name))
    elif not source.HasField(name):
        return
    elif descriptor.message_type is not None:
        getattr(target, name).CopyFrom(getattr(source, name))
    else:
        setattr(target, name, getattr(source, name))
