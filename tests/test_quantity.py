"""Sizes, rates and durations of settings: the vectors of the clients hold here too."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.config.quantity import (
    exact_duration,
    parse_duration,
    parse_rate,
    parse_size,
)

VECTORS = json.loads((Path(__file__).parent / "vectors" / "units.json").read_text())
PARSERS: dict[str, Callable[[str], float]] = {
    "size": parse_size,
    "rate": parse_rate,
    "duration": parse_duration,
}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        (name, vector["text"], vector["value"])
        for name in PARSERS
        for vector in VECTORS[name]["valid"]
    ],
)
def test_a_quantity_is_read_as_by_clients(name: str, text: str, value: Any) -> None:
    assert PARSERS[name](text) == (int(value) if isinstance(value, str) else value)


@pytest.mark.parametrize(
    ("name", "text"),
    [(name, text) for name in PARSERS for text in VECTORS[name]["invalid"]],
)
def test_what_could_be_misread_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        PARSERS[name](text)


@given(st.text(max_size=80))
def test_no_text_breaks_a_parser(text: str) -> None:
    for parse in PARSERS.values():
        with contextlib.suppress(ValueError):
            assert parse(text) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.0, "0s"), (10.0, "10s"), (5400.0, "1h30m"), (604800.0, "7d")),
        *((0.25, "250ms"), (1.0005, None), (1e300, None)),
    ],
)
def test_a_duration_has_a_text_if_one_says_it_all(
    seconds: float, text: str | None
) -> None:
    assert exact_duration(seconds) == text


@given(st.floats(min_value=0, max_value=1e15))
def test_a_duration_s_text_is_read_as_it_was(seconds: float) -> None:
    text = exact_duration(seconds)
    assert text is None or parse_duration(text) == seconds
