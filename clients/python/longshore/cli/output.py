"""How answers are printed: tables, JSON, YAML, names. stdout only."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from .yaml import emit


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    cell: Callable[[Any], str]
    is_number: bool = False
    is_wide: bool = False  # shown by -o wide only


def plain(message: Message) -> Any:
    """Canonical protobuf JSON: int64 as strings, RFC 3339 times (ProtoJSON)."""
    return MessageToDict(message)


def show(
    rows: Iterable[Message],
    columns: Sequence[Column],
    *,
    output: str,
    name: Callable[[Any], str],
    headers: bool = True,
) -> None:
    """Print a list of messages in any of the formats."""
    match output:
        case "name":
            write(name(row) for row in rows)
        case "json":
            write([json.dumps([plain(row) for row in rows], indent=2)])
        case "jsonl":
            write(json.dumps(plain(row)) for row in rows)
        case "yaml":
            write([emit([plain(row) for row in rows])])
        case _:
            shown = [c for c in columns if output == "wide" or not c.is_wide]
            write(table(list(rows), shown, headers=headers))


def show_one(message: Message, *, output: str, lines: Iterable[str], name: str) -> None:
    """Print one message: `lines` are its form for people."""
    match output:
        case "name":
            write([name])
        case "json":
            write([json.dumps(plain(message), indent=2)])
        case "jsonl":
            write([json.dumps(plain(message))])
        case "yaml":
            write([emit(plain(message))])
        case _:
            write(lines)


def table(
    rows: Sequence[Any], columns: Sequence[Column], *, headers: bool = True
) -> list[str]:
    """Aligned lines. Nothing is cut: a pipe must not lose the end of a path."""
    cells = [[column.cell(row) for column in columns] for row in rows]
    if headers:
        cells.insert(0, [column.title for column in columns])
    widths = [
        max((len(line[i]) for line in cells), default=0) for i in range(len(columns))
    ]
    return [_line(line, columns, widths) for line in cells]


def _line(line: list[str], columns: Sequence[Column], widths: list[int]) -> str:
    parts = [
        cell.rjust(width) if column.is_number else cell.ljust(width)
        for cell, column, width in zip(line, columns, widths, strict=True)
    ]
    return "  ".join(parts).rstrip()


def write(lines: Iterable[str]) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def pairs(values: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of "name: value", aligned; empty values are left out."""
    kept = [(name, value) for name, value in values if value]
    width = max((len(name) for name, _ in kept), default=0)
    return [f"{name + ':':<{width + 1}} {value}" for name, value in kept]
