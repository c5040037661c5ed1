"""A setting's value out of what a source has; a ValueError says what would be right."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from .quantity import MOST_BYTES, parse_duration, parse_rate
from .settings import Form

# What the contract can say of each: of an int32, and of a time that no store refuses.
MOST_COUNT = 2**31 - 1
MOST_SECONDS = 36_500 * 86_400

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


def convert(type_: Any, raw: object) -> Any:
    """The value in the setting's type; ValueError says what it must be."""
    if get_origin(type_) is Annotated:
        return _in_form(get_args(type_)[1], raw)
    if get_origin(type_) is tuple:
        return _texts(raw)
    if type_ in (Path, Path | None):
        return _path(_text(raw))
    if type_ is bool:
        return _bool(raw)
    assert type_ is str, "a setting of a type nobody converts"
    return _text(raw)


def _in_form(form: Form, raw: object) -> Any:
    try:
        return _READERS[form](raw)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"must be {form.value}, not {raw!r}") from error


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw or "\0" in raw:
        raise ValueError(f"must be text, not {raw!r}")
    return raw


def _texts(raw: object) -> tuple[str, ...]:
    if isinstance(raw, str):
        return tuple(part for part in (one.strip() for one in raw.split(",")) if part)
    if not isinstance(raw, list | tuple):
        raise ValueError(f"must be a list of texts, not {raw!r}")
    return tuple(_text(one) for one in raw)


def _paths(raw: object) -> tuple[str, ...]:
    paths = _texts(raw)
    if not all(path.startswith("/") for path in paths):
        raise ValueError("one of them is relative")
    return paths


def _path(text: str) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"leads to a home that is not known: {text!r}") from error
    if not path.is_absolute():
        raise ValueError(f"must be an absolute path, not {text!r}")
    return path


def _bool(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in _TRUE | _FALSE:
        return raw.lower() in _TRUE
    raise ValueError(f"must be true or false, not {raw!r}")


def _count(raw: object, most: int = MOST_COUNT) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise ValueError("no whole number")
    number = int(raw)
    if not 0 <= number <= most:
        raise ValueError("out of range")
    return number


def _positive(raw: object) -> int:
    number = _count(raw)
    if number == 0:
        raise ValueError("none at all")
    return number


def _rate(raw: object) -> int:
    # A rate of 0 is for parse_rate a slip; as a setting it is no limit.
    is_plain = not isinstance(raw, str) or raw.strip().lstrip("-").isdecimal()
    return _count(raw, MOST_BYTES) if is_plain else parse_rate(_text(raw))


def _span(raw: object) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError("no number")
    seconds = _seconds(raw) if isinstance(raw, str) else float(raw)
    if not 0 <= seconds <= MOST_SECONDS:
        raise ValueError("out of range")
    return seconds


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return parse_duration(text)


_READERS: Mapping[Form, Callable[[object], Any]] = {
    Form.COUNT: _count,
    Form.POSITIVE: _positive,
    Form.RATE: _rate,
    Form.SPAN: _span,
    Form.PATHS: _paths,
}
