"""Sizes, rates and durations as people write them. The vectors in
tests/vectors/units.json hold for the clients of every language.

A bare number is bytes; K M G T P and KiB MiB … are powers of 1024, kB KB MB …
powers of 1000. Small m, and b for bits, are refused: they have been read both
ways too often.
"""

import re
from fractions import Fraction

_BINARY = ("", "K", "M", "G", "T", "P", "E")
_SUFFIX: dict[str, int] = {"": 1, "B": 1}
for _power, _letter in enumerate(_BINARY):
    if _letter:
        _SUFFIX[_letter] = _SUFFIX[f"{_letter}iB"] = 1024**_power
        _SUFFIX[f"{_letter}B"] = 1000**_power
_SUFFIX["k"] = _SUFFIX["kiB"] = 1024
_SUFFIX["kB"] = 1000

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", re.ASCII)
_SPAN = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)", re.ASCII)
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?", re.ASCII)
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}

MAX_SIZE = 2**63 - 1
# What a Duration of protobuf can hold, about 10,000 years.
MAX_SECONDS = 315_576_000_000
# More digits than any number that is meant.
_LONGEST = 64


def parse_size(text: str) -> int:
    """Bytes. Raises ValueError that says what would be right."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or len(text) > _LONGEST:
        raise ValueError(f"not a size: {text!r} (write 512, 64K, 1.5GiB or 200MB)")
    number, suffix = match.groups()
    if suffix not in _SUFFIX:
        raise ValueError(
            f"unknown unit {suffix!r} in {text!r} (K M G T or KiB MiB … = 1024, "
            "kB MB … = 1000)"
        )
    size = Fraction(number) * _SUFFIX[suffix]
    if size.denominator != 1:
        raise ValueError(f"{text!r} is not a whole number of bytes")
    if size.numerator > MAX_SIZE:
        raise ValueError(f"{text!r} is more than 2^63-1 bytes")
    return size.numerator


def parse_rate(text: str) -> int:
    """Bytes a second: a size, with or without "/s"."""
    rate = parse_size(text.strip().removesuffix("/s"))
    if rate == 0:
        raise ValueError("a rate of 0 moves nothing; leave it out for no limit")
    return rate


def parse_duration(text: str) -> float:
    """Seconds: a bare number, or 90s, 1h30m, 250ms."""
    stripped = text.strip()
    parts = _SPAN.findall(stripped)
    if _NUMBER.fullmatch(stripped):
        parts = [(stripped, "s")]
    elif not parts or "".join(n + u for n, u in parts) != stripped:
        raise ValueError(f"not a duration: {text!r} (write 90, 90s, 1h30m or 250ms)")
    units = [unit for _, unit in parts]
    if len(set(units)) != len(units):
        raise ValueError(f"{text!r} names a unit twice")
    if len(text) > _LONGEST:
        raise ValueError(f"not a duration: {text!r}")
    whole = sum(Fraction(number) * _MILLISECONDS[unit] for number, unit in parts)
    if whole > MAX_SECONDS * 1000:
        raise ValueError(f"{text!r} is more than 10,000 years")
    return float(whole / 1000)


def format_size(size: float) -> str:
    """A size for people: 1.5 GiB. Exact below 1 KiB."""
    if size < 1024:
        return f"{int(size)} B"
    power = 0
    # What would be shown as 1024 is 1 of the next unit.
    while size >= 1023.5 and power < len(_BINARY) - 1:
        size /= 1024
        power += 1
    digits = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    shown = f"{size:.{digits}f}"
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return f"{shown} {_BINARY[power]}iB"


def format_rate(rate: float) -> str:
    return f"{format_size(rate)}/s"


def format_duration(seconds: float) -> str:
    """A duration for people, two units at most: 1h 5m, 42s, 1.5s, 250ms."""
    if 0 < seconds < 0.95:
        return f"{max(1, round(seconds * 1000))}ms"
    if 0 < seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + "s"
    left = round(seconds)
    parts = []
    for unit, span in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        amount, left = divmod(left, span)
        if amount:
            parts.append(f"{amount}{unit}")
    return " ".join(parts[:2]) or "0s"
