"""Real chains for daemons to work on, and what they must show for ever.

A template is made once and copied: its names are relative, so a copy anywhere is a
chain of its own. What it shows is written down by QEMU before anyone touches it.
"""

import hashlib
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from longshored.block.qcow2.create import CreateOptions
from longshored.units import KiB, MiB
from tests.support.nodes import new_qcow2, raw_file
from tests.support.pictures import BLOCK, draw

SIZE = 4 * MiB
BLOCKS = SIZE // BLOCK

# Holes and zeros among the data, and nothing that compresses or repeats.
BASE = ("ABCD-EFG" * 8)[:BLOCKS]
MID = ("--X0----Y-" * 8)[:BLOCKS]
TOP = ("-----T--0------" * 8)[:BLOCKS]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a template is made of. `keeps` is the file that stays as backing file."""

    cluster: int = 64 * KiB
    version: int = 3
    refcount_bits: int = 16
    extended_l2: bool = False
    base: str = "base.raw"
    middle: bool = True
    snapshot: bool = False
    keeps: str | None = None


SHAPES = {
    "raw": Shape(middle=False),
    "qcow2": Shape(base="base.qcow2"),
    "old": Shape(version=2),
    "snapshot": Shape(snapshot=True),
    "keeps": Shape(keeps="base.raw"),
    "subclusters": Shape(extended_l2=True),
    # So small that every table and counter must grow and move while a job runs.
    "tiny": Shape(cluster=512, refcount_bits=64),
    "tiny-snapshot": Shape(cluster=512, refcount_bits=64, snapshot=True),
    "tiny-keeps": Shape(cluster=512, keeps="base.raw"),
}


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain on disk: its top, what it shows, what stays below in the end."""

    directory: Path
    shape: Shape

    @property
    def top(self) -> Path:
        return self.directory / "top.qcow2"

    @property
    def kept(self) -> Path | None:
        keeps = self.shape.keeps
        return None if keeps is None else self.directory / keeps

    @property
    def kept_format(self) -> str:
        return "raw" if str(self.shape.keeps).endswith(".raw") else "qcow2"

    @property
    def expected(self) -> Path:
        """The bytes that the top must show, as a raw file; outside the chain."""
        return self.directory / "expected"

    def sources(self) -> dict[str, str]:
        """Every file that no pull may change, with a digest of its bytes."""
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.directory.iterdir())
            if path.name not in ("top.qcow2", "expected")
        }


Copier = Callable[[str, Path], Chain]


class Templates:
    """Chains by the name of their shape, each made when it is first copied."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def copy(self, name: str, target: Path) -> Chain:
        source = self._directory / name
        if not source.exists():
            source.mkdir(parents=True)
            make(source, SHAPES[name])
        shutil.copytree(source, target)
        return Chain(target, SHAPES[name])


def make(directory: Path, shape: Shape) -> None:
    """The files of a chain, and what QEMU sees through its top."""
    _image(directory / shape.base, BASE, shape, None)
    below = shape.base
    if shape.middle:
        _image(directory / "mid.qcow2", MID, Shape(), below)
        below = "mid.qcow2"
    top = directory / "top.qcow2"
    _image(top, TOP, shape, below)
    if shape.snapshot:
        run("qemu-img", "snapshot", "-c", "before", str(top))
    run("qemu-img", "convert", "-O", "raw", str(top), str(directory / "expected"))


def _image(path: Path, picture: str, shape: Shape, below: str | None) -> None:
    if path.suffix == ".raw":
        file = raw_file(path)
        file.truncate(SIZE)
        draw(file, picture)
        file.close()
        return
    options = CreateOptions(
        SIZE,
        version=shape.version if below else 3,
        cluster_size=shape.cluster,
        refcount_bits=shape.refcount_bits,
        extended_l2=shape.extended_l2,
        backing_file=below,
        backing_format=None if below is None else below.rpartition(".")[2],
    )
    # Version 2 has no way to say zero, and shows what is below instead.
    drawn = picture.replace("0", "-") if options.version == 2 else picture
    node = new_qcow2(path, options)
    draw(node, drawn)
    node.close()


def run(*command: str) -> str:
    """What a program prints; its complaint, if it fails, is the error's text."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout
