"""Scenarios as they are written: YAML, one list of them a file."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

VECTORS = Path(__file__).parents[1] / "vectors" / "units.json"

FOLDER = Path(__file__).parent / "scenarios"

SERVERS = ("none", "fake", "daemon", "process", "daemon-tls", "daemon-mtls")

_KNOWN = {"name", "server", "about", "steps", "connect", "environment", "each", "with"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story. With `each` it is told once a row, whose fields are names."""

    family: str
    name: str
    server: str
    steps: tuple[dict[str, Any], ...]
    # What the server is given at its start.
    given: dict[str, Any] = field(default_factory=dict)
    # Of the driver; with it a driver of its own is started.
    environment: dict[str, str] | None = None
    # The credentials of the first connection; None: the scenario connects itself.
    connect: dict[str, Any] | None = field(default_factory=dict)
    each: tuple[dict[str, Any], ...] = ({},)


def load(folder: Path = FOLDER) -> tuple[Scenario, ...]:
    """All of them, in the order of files and lines."""
    found = [
        _scenario(path.stem, raw)
        for path in sorted(folder.glob("*.yaml"))
        for raw in yaml.safe_load(path.read_text())
    ]
    names = [one.name for one in found]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"more than one scenario is named {twice}"
    return tuple(found)


def _scenario(family: str, raw: dict[str, Any]) -> Scenario:
    complaint = "; ".join(_complaints(raw))
    assert not complaint, f"scenario {raw.get('name')}: {complaint}"
    more: dict[str, Any] = {}
    if "each" in raw:
        more["each"] = _rows(raw["each"])
    if "connect" in raw:
        more["connect"] = raw["connect"] or None
    return Scenario(
        family,
        raw["name"],
        raw["server"],
        tuple(raw["steps"]),
        raw.get("with", {}),
        raw.get("environment"),
        **more,
    )


def _rows(each: Any) -> tuple[dict[str, Any], ...]:
    """As they stand, or one for each vector: `size valid` of tests/vectors."""
    if not isinstance(each, str):
        return tuple(each)
    what, which = each.split()
    vectors = json.loads(VECTORS.read_text())[what][which]
    rows = [one if isinstance(one, dict) else {"text": one} for one in vectors]
    return tuple({**row, "value": str(row.get("value"))} for row in rows)


def _complaints(raw: dict[str, Any]) -> Iterator[str]:
    if unknown := raw.keys() - _KNOWN:
        yield f"unknown {unknown}"
    if raw["server"] not in SERVERS:
        yield f"no server {raw['server']!r}"
    for number, step in enumerate(raw["steps"], 1):
        verbs = step.keys() & {"do", "send", "receive", "fake", "daemon"}
        if len(verbs) != 1:
            yield f"step {number} does {sorted(verbs)}"
