"""Settings from their sources: later ones win, every unknown or wrong one is named."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

from ..errors import ServiceError, Violation, field_invalid
from .settings import LOG_FORMATS, LOG_LEVELS, ROLES, Config, settings
from .sources import Given, Source

DEFAULT = "default"

_CHOICES = {
    "log.format": LOG_FORMATS,
    "log.level": LOG_LEVELS,
    "access.socket_role": ROLES,
    "access.insecure_role": ROLES,
}
_AT_LEAST_ONE = frozenset(
    {
        "server.most_calls",
        "jobs.slots",
        "jobs.slots_per_device",
        "jobs.most_unfinished",
        "watch.most",
        "watch.most_per_client",
    }
)
_ABSOLUTE = frozenset({"images.roots"})
_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and by "section.key" where each was written."""

    config: Config
    origins: Mapping[str, str]


def load(sources: Sequence[Source]) -> Loaded:
    """Lay the sources over the defaults; FIELD_INVALID has all that is wrong."""
    known = dict(settings())
    given: dict[str, Given] = {}
    for source in sources:
        given.update(source)
    values: dict[str, Any] = {}
    wrong: list[Violation] = []
    for path, one in given.items():
        try:
            values[path] = _value(path, one, known)
        except ServiceError as error:
            wrong.extend(error.violations)
    if wrong:
        raise all_invalid(wrong)
    origins = {path: given[path].origin if path in given else DEFAULT for path in known}
    return Loaded(_build(values), origins)


def all_invalid(wrong: Sequence[Violation]) -> ServiceError:
    """One error for all that is wrong; its message tells of the first."""
    error = field_invalid(wrong[0].field, wrong[0].description)
    error.violations = tuple(wrong)
    return error


def _build(values: Mapping[str, Any]) -> Config:
    sections: dict[str, Any] = {}
    for section in fields(Config):
        chosen = {
            path.partition(".")[2]: value
            for path, value in values.items()
            if path.partition(".")[0] == section.name
        }
        sections[section.name] = get_type_hints(Config)[section.name](**chosen)
    return Config(**sections)


def _value(path: str, given: Given, known: Mapping[str, Any]) -> Any:
    if path not in known:
        meant = given.meant or _nearest(path, known)
        hint = f"; did you mean {meant}?" if meant else ""
        raise field_invalid(path, f"{given.origin}: no such setting{hint}")
    try:
        value = _convert(known[path], given.value)
    except (TypeError, ValueError) as error:
        raise field_invalid(path, f"{given.origin}: {error}") from error
    if complaint := _complaint(path, value):
        raise field_invalid(path, f"{given.origin}: {complaint}")
    return value


def _nearest(path: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
    return close[0] if close else ""


def _convert(type_: Any, raw: object) -> Any:
    """The value in the setting's type; ValueError says what it must be."""
    if get_origin(type_) is tuple:
        return _texts(raw)
    if type_ in (Path, Path | None):
        return _path(_text(raw))
    if type_ is bool:
        return _bool(raw)
    if type_ is str:
        return _text(raw)
    return _number(type_, raw)


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


def _number(type_: Any, raw: object) -> int | float:
    assert type_ in (int, float), "a setting of a type nobody converts"
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise ValueError(f"must be a number, not {raw!r}")
    if type_ is int and isinstance(raw, float):
        raise ValueError(f"must be a whole number, not {raw!r}")
    try:
        number: int | float = type_(raw)
    except ValueError as error:
        raise ValueError(f"must be a number, not {raw!r}") from error
    if not 0 <= number < float("inf"):
        raise ValueError(f"must not be negative or endless, and is {raw!r}")
    return number


def _complaint(path: str, value: object) -> str:
    """What a value of the right type must be instead; "" if it may be so."""
    choices = _CHOICES.get(path)
    if choices is not None and value not in choices:
        return f"must be one of {', '.join(choices)}, not {value!r}"
    if path in _AT_LEAST_ONE and isinstance(value, int) and value < 1:
        return f"must be at least 1, not {value}"
    if path in _ABSOLUTE and isinstance(value, tuple):
        stray = next((one for one in value if not one.startswith("/")), None)
        return "" if stray is None else f"must be absolute paths, not {stray!r}"
    return ""


def shown(loaded: Loaded, *, origins: bool) -> Iterator[str]:
    """Every setting as a line of TOML, with its origin as a comment."""
    for section in fields(Config):
        yield f"[{section.name}]"
        values = getattr(loaded.config, section.name)
        for key in fields(values):
            value = getattr(values, key.name)
            line = f"{key.name} = {toml(value)}"
            if value is None:
                # TOML has no word for what is not set.
                line = f"# {key.name} ="
            origin = loaded.origins[f"{section.name}.{key.name}"]
            yield f"{line}  # {origin}" if origins else line
        yield ""


def toml(value: object) -> str:
    """A value of a setting as it stands in a file."""
    match value:
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"[{', '.join(toml(one) for one in value)}]"
        case int() | float():
            return str(value)
        case _:
            escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
