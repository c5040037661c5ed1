"""Units of systemd, as systemd-analyze reads them."""

import re
import subprocess
from functools import cache
from pathlib import Path


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *words],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def exposure(unit: str, *, root: Path | None = None) -> float:
    """How much a unit leaves open, from 0 to 10."""
    where = [] if root is None else [f"--root={root}"]
    done = analyze("security", "--offline=true", *where, unit)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1])


def settings(unit: Path, key: str) -> list[str]:
    """The values of a setting, in order."""
    lines = unit.read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def allowed_calls(unit: Path) -> set[str]:
    """The system calls that its SystemCallFilter lets through."""
    allowed: set[str] = set()
    for value in settings(unit, "SystemCallFilter"):
        calls = set[str]().union(*(_calls(one) for one in value.strip("~").split()))
        allowed = allowed - calls if value.startswith("~") else allowed | calls
    return allowed


@cache
def _calls(name: str) -> frozenset[str]:
    if not name.startswith("@"):
        return frozenset({name})
    listed = analyze("syscall-filter", name).stdout.splitlines()[1:]
    names = [line.strip() for line in listed if line.strip() and "#" not in line]
    return frozenset().union(*(_calls(one) for one in names))
