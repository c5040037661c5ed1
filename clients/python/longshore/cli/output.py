"""How answers are printed, on stdout: tables, JSON, YAML, names. And what is said to
people meanwhile, on stderr.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from . import terminal
from .arguments import Arguments
from .exits import NotWritten
from .table import Column, one_line, table
from .yaml import emit

Say = Callable[[str], None]
Put = Callable[[Message, list[str], str], None]
"""A message, its lines for people, its name."""


def say(text: str) -> None:
    sys.stderr.write(f"longshore: {text}\n")
    sys.stderr.flush()


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

    def one(self, message: Message, lines: Iterable[str], *, name: str) -> None:
        """One message: `lines` are its form for people."""
        match self.form:
            case "name":
                write([name])
            case "json":
                write([json.dumps(plain(message), indent=2)])
            case "jsonl":
                write([json.dumps(plain(message))])
            case "yaml":
                write([emit(plain(message))])
            case _:
                write(map(one_line, lines))

    @contextmanager
    def sheet(self, asked: int) -> Iterator[Put]:
        """Messages as they come, each as `one` has it. JSON of more than one that was
        asked for is an array: at the end, and however few have come.
        """
        array: list[Any] | None
        array = [] if asked > 1 and self.form == "json" else None
        count = 0

        def put(message: Message, lines: list[str], name: str) -> None:
            nonlocal count
            count += 1
            if array is not None:
                array.append(plain(message))
                return
            if count > 1 and self.form == "yaml":
                write(["---"])
            # A block of lines stands apart from the one before.
            is_block = not (self.is_data or self.form == "name") and len(lines) > 1
            if count > 1 and is_block:
                write([""])
            self.one(message, lines, name=name)

        try:
            yield put
        finally:
            if array is not None:
                write([json.dumps(array, indent=2)])


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
        with _telling():
            sys.stdout.write(f"{line}\n")
    with _telling():
        sys.stdout.flush()


@contextmanager
def _telling() -> Iterator[None]:
    """An error of stdout is told from those of whatever makes the lines."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise NotWritten(str(error.strerror or error)) from error


def pairs(values: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of "name: value", aligned; empty values are left out."""
    kept = [(name, value) for name, value in values if value]
    width = max((len(name) for name, _ in kept), default=0)
    return [f"{name + ':':<{width + 1}} {value}" for name, value in kept]
