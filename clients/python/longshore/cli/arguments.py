"""What a command line can hold: the parsed arguments, and parsers for single words.

Loads nothing of the library but the units, so that help is fast.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..units import parse_duration, parse_rate, parse_size


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was parsed. `run` names the function of the command."""

    run: str
    server: str | None
    output: str
    quiet: bool
    color: str
    values: dict[str, Any]

    @classmethod
    def of(cls, parsed: argparse.Namespace) -> "Arguments":
        values = dict(vars(parsed))
        return cls(
            run=values.pop("run"),
            server=values.pop("server"),
            output=values.pop("output"),
            quiet=values.pop("quiet"),
            color=values.pop("color"),
            values=values,
        )

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def quantity(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """A parser of the library as argparse wants it: its words are the error."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or not int(text):
        raise ValueError(f"not a number from 1 on: {text!r}")
    return int(text)


SIZE = quantity(parse_size)
RATE = quantity(parse_rate)
SPAN = quantity(parse_duration)
COUNT = quantity(_count)


def label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"a label is key=value, not {text!r}")
    return key, value


def link(text: str) -> tuple[str, str]:
    """FORMAT:PATH, answered as (path, format)."""
    declared, colon, path = text.partition(":")
    if not colon or not path or declared not in ("raw", "qcow2"):
        raise argparse.ArgumentTypeError(
            f"a link is raw:PATH or qcow2:PATH, not {text!r}"
        )
    return path, declared
