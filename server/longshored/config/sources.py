"""Where settings come from: each source is a mapping of "section.key" to Given."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import field_invalid

DEFAULT_FILE = Path("/etc/longshore/longshored.toml")

_PREFIX = "LONGSHORE_"
_SEPARATOR = "__"

Raw = object
"""A value as a source has it: text from environment and flags, else TOML's types."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value and where it was written."""

    value: Raw
    origin: str


Source = Mapping[str, Given]


def from_file(path: Path) -> Source:
    """The settings of a TOML file; raises FIELD_INVALID naming the file."""
    try:
        with path.open("rb") as file:
            sections = tomllib.load(file)
    except OSError as error:
        raise field_invalid(
            "--config", f"Cannot read {path}: {error.strerror}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise field_invalid("--config", f"{path} is not TOML: {error}") from error
    given: dict[str, Given] = {}
    for section, keys in sections.items():
        if not isinstance(keys, dict):
            raise field_invalid(section, f"{path}: must be a section, not a value")
        for key, value in keys.items():
            given[f"{section}.{key}"] = Given(value, str(path))
    return given


def from_environment(environment: Mapping[str, str]) -> Source:
    """LONGSHORE_SECTION__KEY; other variables of ours have no double underscore."""
    given: dict[str, Given] = {}
    for name, value in environment.items():
        if name.startswith(_PREFIX) and _SEPARATOR in name:
            section, _, key = name.removeprefix(_PREFIX).partition(_SEPARATOR)
            path = f"{section.lower()}.{key.lower()}"
            given[path] = Given(value, f"environment {name}")
    return given


def from_flags(flags: Mapping[str, tuple[str, Raw]]) -> Source:
    """Flags that were used: setting to (flag, value)."""
    return {path: Given(value, f"flag {flag}") for path, (flag, value) in flags.items()}
