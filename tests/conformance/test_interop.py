"""Tools that are not ours: the lines of docs/clients.md, as they stand there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import Place

from .process import clean_environment

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[2]
PATHS = f"{ROOT / 'build' / 'interop'}:{os.environ['PATH']}"

_PAGE = (ROOT / "docs" / "clients.md").read_text()
_TOOLS = _PAGE[_PAGE.index("## Tools that are not ours") : _PAGE.index("## The matrix")]
GRPCURL, GHZ = re.findall(r"```sh\n(.*?)```", _TOOLS, re.DOTALL)


def run(place: Place, lines: str, tool: str) -> str:
    if shutil.which(tool, path=PATHS) is None and os.environ.get("CI") != "true":
        pytest.skip(f"{tool} is missing: make interop")
    done = subprocess.run(
        ["bash", "-c", f"set -eu\n{lines}"],
        cwd=ROOT,
        env=clean_environment() | {"LONGSHORE_ADDRESS": place.address, "PATH": PATHS},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_grpcurl_finds_its_way_by_reflection(place: Place) -> None:
    said = run(place, GRPCURL, "grpcurl")
    assert "longshore.v1.JobService" in said
    assert "rpc CreateJob" in said
    assert '"version": "0.1.0"' in said
    assert '"opened"' in said


def test_ghz_loads_a_list(place: Place) -> None:
    said = run(place, GHZ, "ghz")
    assert re.search(r"\[OK\]\s+200 responses", said)
