"""Sizes, rates and durations as the command line has them: tests/vectors/units.json
holds here as it does for the clients.

A bare number is bytes or seconds; K M G and KiB MiB … are powers of 1024, kB MB …
powers of 1000. Small m, and b for bits, are refused: they are read both ways.
"""

import re
from fractions import Fraction

_SUFFIX = {"": 1, "B": 1, "k": 1024, "kiB": 1024, "kB": 1000}
for _power, _letter in enumerate("KMGTPE", start=1):
    _SUFFIX[_letter] = _SUFFIX[f"{_letter}iB"] = 1024**_power
    _SUFFIX[f"{_letter}B"] = 1000**_power

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", re.ASCII)
_SPANS = re.compile(rf"(?:{_SPAN.pattern})+", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)

MOST_BYTES = 2**63 - 1
# What a Duration of protobuf can hold, about 10,000 years.
_MOST_SECONDS = 315_576_000_000
# More digits than any number that is meant.
_LONGEST = 64


def parse_size(text: str) -> int:
    """Bytes; ValueError if it is no size."""
    match = _SIZE.fullmatch(_short(text))
    if match is None or match[2] not in _SUFFIX:
        raise ValueError(f"not a size: {text!r}")
    size = Fraction(match[1]) * _SUFFIX[match[2]]
    if size.denominator != 1 or size > MOST_BYTES:
        raise ValueError(f"not a whole number of bytes: {text!r}")
    return size.numerator


def parse_rate(text: str) -> int:
    """Bytes a second: a size, with or without "/s"."""
    rate = parse_size(text.strip().removesuffix("/s"))
    if rate == 0:
        raise ValueError("a rate of 0 moves nothing")
    return rate


def parse_duration(text: str) -> float:
    """Seconds: a bare number, or 90s, 1h30m, 250ms."""
    stripped = _short(text)
    if _NUMBER.fullmatch(stripped):
        stripped += "s"
    parts = _SPAN.findall(stripped)
    units = {unit for _, unit in parts}
    if _SPANS.fullmatch(stripped) is None or len(units) < len(parts):
        raise ValueError(f"not a duration: {text!r}")
    whole = sum(Fraction(number) * _MILLISECONDS[unit] for number, unit in parts)
    if whole > _MOST_SECONDS * 1000:
        raise ValueError(f"more than 10,000 years: {text!r}")
    return float(whole / 1000)


def exact_duration(seconds: float) -> str | None:
    """The text that is read as these seconds, if there is a plain one."""
    left = round(seconds * 1000)
    parts = []
    for unit, span in _MILLISECONDS.items():
        amount, left = divmod(left, span)
        if amount:
            parts.append(f"{amount}{unit}")
    text = "".join(parts) or "0s"
    is_same = seconds <= _MOST_SECONDS and parse_duration(text) == seconds
    return text if is_same else None


def _short(text: str) -> str:
    if len(text) > _LONGEST:
        raise ValueError("longer than any number that is meant")
    return text.strip()
