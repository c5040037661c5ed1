"""What independent eyes say of an image: our own check, and qemu-img."""

import json
import subprocess
from pathlib import Path

from longshored.block.chain import open_chain
from longshored.block.links import ImageRef
from longshored.block.locks import READER
from longshored.block.node import Mode
from longshored.block.qcow2.check import CheckReport, check
from longshored.block.roots import Roots
from tests.support.chains import read
from tests.support.nodes import raw_file


def visible(path: Path, format_: str = "qcow2") -> bytes:
    """The bytes that the image shows, backing files included."""
    roots = Roots.open([str(path.parent)])
    try:
        top = ImageRef(str(path), format_)
        chain = open_chain(roots, top, mode=Mode.READ, row=READER)
        try:
            return read(chain)
        finally:
            chain.close()
    finally:
        roots.close()


def report(path: Path) -> CheckReport:
    raw = raw_file(path, Mode.READ)
    try:
        return check(raw)
    finally:
        raw.close()


def qemu_check(path: Path) -> int:
    """0 clean, 2 corrupt, 3 leaks."""
    command = ["qemu-img", "check", "-q", "-f", "qcow2", str(path)]
    return subprocess.run(command, check=False, capture_output=True).returncode


def qemu_same(left: Path, right: Path, left_format: str = "qcow2") -> bool:
    command = ["qemu-img", "compare", "-f", left_format, "-F", "qcow2"]
    done = subprocess.run(
        [*command, str(left), str(right)], check=False, capture_output=True
    )
    return done.returncode == 0


def qemu_map(path: Path) -> list[dict[str, object]]:
    command = ["qemu-img", "map", "--output=json", "-f", "qcow2", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return list(json.loads(done.stdout))


def qemu_backing(path: Path) -> tuple[str | None, str | None]:
    """The backing name and format as qemu-img reads them."""
    command = ["qemu-img", "info", "--output=json", "-f", "qcow2", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    info = json.loads(done.stdout)
    return info.get("backing-filename"), info.get("backing-filename-format")
