"""Reads the YAML that the command line writes: block style, plain or JSON scalars.

A reader of its own, by the specification and not by the writer: indentation nests,
"- " begins an item, "key: value" an entry.
"""

import json
import re
from typing import Any

_KEY = re.compile(r'("(?:[^"\\]|\\.)*"|[^\s":]+):(?: (.*))?')


def load(text: str) -> Any:
    lines = [
        (len(line) - len(line.lstrip(" ")), line.lstrip(" "))
        for line in text.split("\n")
    ]
    value, rest = _block(lines)
    assert not rest, rest
    return value


Lines = list[tuple[int, str]]


def _block(lines: Lines) -> tuple[Any, Lines]:
    indent, first = lines[0]
    if first.startswith("- "):
        return _items(lines, indent)
    if _KEY.fullmatch(first):
        return _entries(lines, indent)
    return _scalar(first), lines[1:]


def _items(lines: Lines, indent: int) -> tuple[list[Any], Lines]:
    found = []
    while lines and lines[0][0] == indent and lines[0][1].startswith("- "):
        # What follows the dash stands two columns further in.
        lines = [(indent + 2, lines[0][1][2:]), *lines[1:]]
        value, lines = _block(lines)
        found.append(value)
    return found, lines


def _entries(lines: Lines, indent: int) -> tuple[dict[str, Any], Lines]:
    found = {}
    while lines and lines[0][0] == indent and (key := _KEY.fullmatch(lines[0][1])):
        lines = lines[1:]
        if key[2] is None:
            assert lines[0][0] > indent
            found[_scalar(key[1])], lines = _block(lines)
        else:
            found[_scalar(key[1])] = _scalar(key[2])
    return found, lines


def _scalar(text: str) -> Any:
    """As YAML 1.1 and 1.2 agree: what is not quoted may be read as something else."""
    if text[:1] in '"[{' or text in ("true", "false", "null"):
        return json.loads(text)
    if re.fullmatch(r"[-+.0-9].*", text):
        return json.loads(text)
    assert text.lower() not in ("yes", "no", "on", "off", "y", "n", "~", "")
    assert not re.search(r"[:#]( |$)|^[-?:,\[\]{}#&*!|>'\"%@`]", text), text
    return text
