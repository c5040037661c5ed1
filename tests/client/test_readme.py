"""The blocks of the READMEs run, one after the other, against a daemon."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import LocalDaemon, Place

TOP = Path(__file__).parents[2]


def blocks(readme: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)


# The READMEs' images are in /srv/images; the test's are elsewhere.
ROOT = "/srv/images"

PROLOGUE = """
from longshore import Client
from longshore.v1 import image_pb2, image_service_pb2

with Client() as client:
    client.create_image(
        image_service_pb2.CreateImageRequest(
            image=image_pb2.ImageRef(uri="/srv/images/base.raw", format="raw"),
            virtual_size_bytes=1 << 20,
        )
    )
    client.create_image(
        image_service_pb2.CreateImageRequest(
            image=image_pb2.ImageRef(uri="/srv/images/top.qcow2", format="qcow2"),
            backing=image_pb2.ImageRef(uri="/srv/images/base.raw", format="raw"),
        )
    )
"""

EPILOGUE = """
import asyncio

first = asyncio.run(follow())
print("cursor", first.revision > 0)
"""


def ran(directory: Path, *programs: str) -> str:
    """What the programs print as one, against a daemon of their own."""
    place = Place(directory)
    daemon = LocalDaemon(place.config()).start()
    program = "\n".join([PROLOGUE, *programs])
    try:
        done = subprocess.run(
            [sys.executable, "-c", program.replace(ROOT, str(place.root))],
            env={**os.environ, "LONGSHORE_ADDRESS": place.address},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        daemon.stop_once()
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_readme_runs(tmp_path: Path) -> None:
    readme = TOP / "clients" / "python" / "README.md"
    printed = ran(tmp_path, *blocks(readme), EPILOGUE)
    assert "bytes copied" in printed
    assert "There is no such file" in printed
    assert printed.endswith("2 jobs\ncursor True\n")


@pytest.mark.slow
def test_the_first_page_runs_and_says_little(tmp_path: Path) -> None:
    lines = ran(tmp_path, *blocks(TOP / "README.md")).splitlines()
    assert lines[-1] == "JOB_STATE_SUCCEEDED"
    assert all(re.fullmatch(r"JOB_STATE_[A-Z]+|\d+ of \d+ bytes", it) for it in lines)
