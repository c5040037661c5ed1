"""What qemu-img check says of an image."""

import json
import subprocess
from pathlib import Path
from typing import NamedTuple


class Verdict(NamedTuple):
    leaks: int
    corruptions: int


def qemu_check(path: Path) -> Verdict:
    """The tests that use it are marked `qemu`. Damage is an answer, not an error."""
    done = subprocess.run(
        ["qemu-img", "check", "-f", "qcow2", "--output=json", path],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert not report["check-errors"], done.stderr
    return Verdict(report.get("leaks", 0), report.get("corruptions", 0))
