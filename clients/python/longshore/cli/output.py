"""How answers are printed: tables, JSON, YAML, names. stdout only."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from . import terminal
from .arguments import Arguments
from .table import Column, one_line, table
from .yaml import emit


@dataclass(frozen=True, slots=True)
class Printer:
    """Prints in the format that was asked for."""

    form: str
    color: bool
    width: int | None

    @classmethod
    def of(cls, args: Arguments) -> "Printer":
        return cls(
            form="name" if args.quiet else args.output,
            color=terminal.wants_color(sys.stdout, args.color),
            width=None if args.output == "wide" else terminal.width(sys.stdout),
        )

    @property
    def is_data(self) -> bool:
        """For programs: nothing but messages may be on stdout."""
        return self.form in ("json", "jsonl", "yaml")

    @property
    def is_document(self) -> bool:
        """Nothing may be on stdout but one document."""
        return self.form in ("json", "yaml")

    def list(
        self,
        rows: Iterable[Any],
        columns: Sequence[Column],
        *,
        name: Callable[[Any], str],
        headers: bool = True,
    ) -> None:
        """Many messages."""
        match self.form:
            case "name":
                write(name(row) for row in rows)
            case "json":
                write([json.dumps([plain(row) for row in rows], indent=2)])
            case "jsonl":
                write(json.dumps(plain(row)) for row in rows)
            case "yaml":
                write([emit([plain(row) for row in rows])])
            case _:
                shown = [
                    column
                    for column in columns
                    if column.is_asked or not column.is_wide or self.form == "wide"
                ]
                lines = table(
                    list(rows),
                    shown,
                    width=self.width,
                    headers=headers,
                    color=self.color,
                )
                write(lines)

    def one(
        self, message: Message, lines: Iterable[str], *, name: str, first: bool = True
    ) -> None:
        """One message: `lines` are its form for people. Others may go before it."""
        match self.form:
            case "name":
                write([name])
            case "json":
                write([json.dumps(plain(message), indent=2)])
            case "jsonl":
                write([json.dumps(plain(message))])
            case "yaml":
                write(
                    [emit(plain(message))] if first else ["---", emit(plain(message))]
                )
            case _:
                write(map(one_line, lines))


def plain(message: Any) -> Any:
    """Canonical protobuf JSON: int64 as strings, RFC 3339 times (ProtoJSON).

    What is not a message is taken as it is.
    """
    if not isinstance(message, Message):
        return message
    try:
        return MessageToDict(message)
    except TypeError:
        # An error with a detail of a type that is newer than this client.
        known = type(message)()
        known.CopyFrom(message)
        _drop_unknown_details(known)
        return MessageToDict(known)


def _drop_unknown_details(message: Message) -> None:
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.full_name == "google.protobuf.Any":
            _keep_known(value)
        elif not field.message_type.GetOptions().map_entry:
            for one in [value] if isinstance(value, Message) else value:
                _drop_unknown_details(one)


def _keep_known(details: Any) -> None:
    known = [detail for detail in details if detail.TypeName() in _KNOWN_DETAILS]
    del details[:]
    details.extend(known)


_KNOWN_DETAILS = {
    f"google.rpc.{name}"
    for name in (
        "BadRequest",
        "ErrorInfo",
        "PreconditionFailure",
        "QuotaFailure",
        "RequestInfo",
        "ResourceInfo",
        "RetryInfo",
    )
}


def write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def pairs(values: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of "name: value", aligned; empty values are left out."""
    kept = [(name, value) for name, value in values if value]
    width = max((len(name) for name, _ in kept), default=0)
    return [f"{name + ':':<{width + 1}} {value}" for name, value in kept]
