"""The invariants, each as one function that lists what violates it.

QEMU is the judge of images: it has never heard of Longshore. An empty list is the
only good answer; tests of the harness itself see that bad answers are given too.
"""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.chains import Chain


@dataclass(frozen=True, slots=True)
class Checked:
    """What `qemu-img check` counts; `complaint` if it could not even look."""

    corruptions: int = 0
    leaks: int = 0
    complaint: str = ""


def check(image: Path) -> Checked:
    command = ["qemu-img", "check", "-U", "-f", "qcow2", "--output=json", str(image)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError:
        return Checked(complaint=done.stderr.strip() or f"exit {done.returncode}")
    errors = found.get("corruptions", 0) + found.get("check-errors", 0)
    return Checked(errors, found.get("leaks", 0))


def bytes_differ(top: Path, expected: Path) -> str:
    """Where what an image shows is not what it must; empty if it is."""
    done = subprocess.run(
        ["qemu-img", "compare", "-U", "-f", "qcow2", "-F", "raw", top, expected],
        capture_output=True,
        text=True,
        timeout=60,
    )
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()


def backing_of(image: Path) -> str | None:
    command = ["qemu-img", "info", "-U", "-f", "qcow2", "--output=json", str(image)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=True
    )
    name: str | None = json.loads(done.stdout).get("full-backing-filename")
    return name


def at_any_instant(chain: Chain, sources: Mapping[str, str]) -> list[str]:
    """D1, D3, D4: what must hold even one instruction after a kill."""
    found = check(chain.top)
    wrong = []
    if found.complaint or found.corruptions:
        wrong.append(f"{chain.top}: check says {found}")
    if difference := bytes_differ(chain.top, chain.expected):
        wrong.append(f"{chain.top}: {difference}")
    if (now := chain.sources()) != sources:
        changed = {name for name in sources if now.get(name) != sources[name]}
        wrong.append(f"{chain.directory}: changed {changed or set(now) - set(sources)}")
    return wrong


def when_pulled(chain: Chain, sources: Mapping[str, str]) -> list[str]:
    """D8 beside: what must hold after a pull has succeeded."""
    wrong = at_any_instant(chain, sources)
    if leaks := check(chain.top).leaks:
        wrong.append(f"{chain.top}: {leaks} leaked clusters")
    kept = None if chain.kept is None else str(chain.kept)
    if (backing := backing_of(chain.top)) != kept:
        wrong.append(f"{chain.top}: its backing file is {backing}, not {kept}")
    return wrong
