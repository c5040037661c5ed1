"""Where settings come from: each source is a mapping of "section.key" to Given."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..errors import field_invalid
from .settings import settings

DEFAULT_FILE = Path("/etc/longshore/longshored.toml")

_PREFIX = "LONGSHORE_"
_SEPARATOR = "__"

# Without a double underscore it is the key that a client shows.
_OF_CLIENTS = frozenset({"LONGSHORE_TLS_KEY"})

Raw = object
"""A value as a source has it: text from environment and flags, else TOML's types."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value and where it was written; for what is no setting, what was meant."""

    value: Raw
    origin: str
    meant: str = ""


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
    """LONGSHORE_SECTION__KEY; other variables of ours have no double underscore.

    A variable that is a setting but for its underscores is kept under its own name,
    which is no setting. All others are someone else's, and passed over.
    """
    given: dict[str, Given] = {}
    for name, value in environment.items():
        if meant := _meant(name):
            given[name] = Given(value, "environment", meant)
        elif name.startswith(_PREFIX) and _SEPARATOR in name:
            section, _, key = name.removeprefix(_PREFIX).partition(_SEPARATOR)
            path = f"{section.lower()}.{key.lower()}"
            given[path] = Given(value, f"environment {name}")
    return given


def _meant(name: str) -> str:
    """The variable of a setting that this one is not, but for its underscores."""
    if not name.startswith(_PREFIX) or name in _OF_CLIENTS:
        return ""
    meant = _variables().get(_joined(name), "")
    return "" if name.upper() == meant else meant


@cache
def _variables() -> Mapping[str, str]:
    names = (path.upper().replace(".", _SEPARATOR) for path, _ in settings())
    return {_joined(_PREFIX + name): _PREFIX + name for name in names}


def _joined(name: str) -> str:
    return re.sub("_+", "_", name.upper())


def from_flags(flags: Mapping[str, tuple[str, Raw]]) -> Source:
    """Flags that were used: setting to (flag, value)."""
    return {path: Given(value, f"flag {flag}") for path, (flag, value) in flags.items()}
