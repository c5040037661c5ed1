"""A root full of traps, beside it what must never come out: the canary.

outside/    canary.raw, canary.qcow2: bytes that nobody may see
images/     the root: traps of every type, and what vectors build
"""

import hashlib
import os
import socket
import stat
from pathlib import Path

from longshored.block.qcow2.create import CreateOptions
from tests.support.chains import plant
from tests.support.nodes import new_qcow2
from tests.support.pictures import BLOCK

CANARY = b"CANARY-7f0c-DO-NOT-SHOW-"
CANARY_BYTES = CANARY * 4096


class Arena:
    """One directory with a root in it. Traps are made once, by `build`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.root = directory / "images"
        self.outside = directory / "outside"
        self.canary = self.outside / "canary.raw"

    def build(self) -> None:
        self.root.mkdir(parents=True)
        self.outside.mkdir()
        self.canary.write_bytes(CANARY_BYTES)
        (self.root / "directory").mkdir()
        (self.root / "plain.raw").write_bytes(bytes(BLOCK))
        (self.root / "secret.raw").write_bytes(CANARY_BYTES)
        os.mkfifo(self.root / "fifo")
        self._device(self.root / "zero")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.root / "socket"))
        self._links()

    @staticmethod
    def _device(path: Path) -> None:
        """/dev/zero by another name; who may not make it gets one more FIFO."""
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
        except PermissionError:
            os.mkfifo(path)

    def _links(self) -> None:
        root = self.root
        (root / "link-out").symlink_to(self.canary)
        (root / "link-up").symlink_to("../outside/canary.raw")
        (root / "door").symlink_to(self.outside)
        (root / "round").symlink_to("round-2")
        (root / "round-2").symlink_to("round")
        (root / "link-environ").symlink_to("/proc/self/environ")
        (root / "link-fd").symlink_to("/proc/self/fd/0")
        (root / "link-zero").symlink_to("/dev/zero")
        os.link(self.canary, root / "hard-link")

    def overlay(
        self, name: str, backing: str | None = None, format_: str | None = "raw"
    ) -> Path:
        """A sound qcow2 image of one block that names any backing file it likes."""
        path = self.root / name
        options = CreateOptions(
            BLOCK,
            backing_file=None if backing is None else "plain.raw",
            backing_format=None if backing is None else "raw",
        )
        new_qcow2(path, options).close()
        if backing is not None:
            plant(path, backing, format_)
        return path

    def state(self) -> dict[str, tuple[int, int, str]]:
        """Every file in and outside the root: its type, its time, its bytes."""
        return {
            str(path.relative_to(self.directory)): _of(path)
            for folder in (self.root, self.outside)
            for path in sorted(folder.rglob("*"))
        }


def _of(path: Path) -> tuple[int, int, str]:
    status = path.lstat()
    digest = ""
    if stat.S_ISREG(status.st_mode):
        digest = hashlib.blake2b(path.read_bytes()).hexdigest()
    # A directory changes its time when a new file is tried in it; files may not.
    changed = 0 if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns
    return status.st_mode, changed, digest


def shows_canary(text: object) -> bool:
    return CANARY.decode() in str(text)
