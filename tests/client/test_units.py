"""Sizes, rates, durations: the vectors that hold for the clients of every language."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.units import (
    MAX_SIZE,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
)

VECTORS = json.loads(
    (Path(__file__).parent.parent / "vectors" / "units.json").read_text()
)
PARSERS: dict[str, Any] = {
    "size": parse_size,
    "rate": parse_rate,
    "duration": parse_duration,
}


def valid() -> list[tuple[str, str, Any]]:
    return [
        (name, vector["text"], vector["value"])
        for name in PARSERS
        for vector in VECTORS[name]["valid"]
    ]


def invalid() -> list[tuple[str, str]]:
    return [(name, text) for name in PARSERS for text in VECTORS[name]["invalid"]]


@pytest.mark.parametrize(("name", "text", "value"), valid())
def test_a_quantity_is_read_as_everywhere(name: str, text: str, value: Any) -> None:
    expected = int(value) if isinstance(value, str) else value
    assert PARSERS[name](text) == expected


@pytest.mark.parametrize(("name", "text"), invalid())
def test_what_could_be_misread_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are for people
        PARSERS[name](text)


@given(st.text(max_size=80))
def test_no_text_breaks_a_parser(text: str) -> None:
    for parse in PARSERS.values():
        with contextlib.suppress(ValueError):
            assert parse(text) >= 0


@given(st.integers(0, MAX_SIZE))
def test_a_size_in_bytes_is_read_exactly(size: int) -> None:
    assert parse_size(str(size)) == size


@given(st.integers(0, MAX_SIZE))
def test_a_size_for_people_is_near_and_short(size: int) -> None:
    shown = format_size(size)
    number, unit = shown.split(" ")
    factor = parse_size(f"1{unit}")
    # Rounded to three digits; a size below 1 KiB not at all.
    assert abs(float(number) * factor - size) <= size * 0.0051
    assert len(shown) <= len("1000 MiB")


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (1048575, "1 MiB"),
        (10 * 1024 + 5, "10 KiB"),
        (1610612736, "1.5 GiB"),
        (2**63 - 1, "8 EiB"),
    ],
)
def test_a_size_is_shown_in_its_unit(size: int, shown: str) -> None:
    assert format_size(size) == shown


def test_a_rate_is_shown_by_the_second() -> None:
    assert format_rate(200 * 1024**2) == "200 MiB/s"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (0.00001, "1ms"),
        (0.25, "250ms"),
        (0.96, "1s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.7, "1m"),
        (90, "1m 30s"),
        (3600, "1h"),
        (3661, "1h 1m"),
        (86400 * 7, "7d"),
    ],
)
def test_a_duration_is_shown_in_two_units_at_most(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown
