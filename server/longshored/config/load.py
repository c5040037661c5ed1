"""Settings from their sources: later ones win, every unknown or wrong one is named."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from ..errors import ServiceError, Violation, field_invalid
from .quantity import exact_duration
from .settings import LOG_FORMATS, LOG_LEVELS, ROLES, Config, settings
from .sources import Given, Source
from .values import convert

DEFAULT = "default"

_CHOICES = {
    "log.format": LOG_FORMATS,
    "log.level": LOG_LEVELS,
    "access.socket_role": ROLES,
    "access.insecure_role": ROLES,
}


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
        value = convert(known[path], given.value)
    except (TypeError, ValueError) as error:
        raise field_invalid(path, f"{given.origin}: {error}") from error
    choices = _CHOICES.get(path, (value,))
    if value not in choices:
        allowed = f"must be one of {', '.join(choices)}"
        raise field_invalid(path, f"{given.origin}: {allowed}, not {value!r}")
    return value


def _nearest(path: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(path, known, n=1, cutoff=0.5)
    return close[0] if close else ""


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
        case int():
            return str(value)
        case float():
            # Every one is a time.
            text = exact_duration(value)
            return str(value) if text is None else f'"{text}"'
        case _:
            escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
