"""The blocks of the README run, one after the other, against a daemon."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import LocalDaemon, Place

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

# The README's images are in /srv/images; the test's are elsewhere.
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


@pytest.mark.slow
def test_the_readme_runs(tmp_path: Path) -> None:
    place = Place(tmp_path)
    program = "\n".join([PROLOGUE, *BLOCKS, EPILOGUE])
    daemon = LocalDaemon(place.config()).start()
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
    assert "bytes copied" in done.stdout
    assert "There is no such file" in done.stdout
    assert done.stdout.endswith("2 jobs\ncursor True\n")
