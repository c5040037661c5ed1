"""File systems of a test's own, on a file: what one can do that others cannot, and what
is left on it when the power goes. Needs root."""

import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from longshored.units import MiB
from tests.support.needs import need

# XFS takes no less.
SIZE = 320 * MiB

MAKERS = {
    "xfs": ["mkfs.xfs", "-q"],
    "btrfs": ["mkfs.btrfs", "-q"],
    "ext4": ["mkfs.ext4", "-q", "-F"],
}

_SHUTDOWN = 0x8004587D  # FS_IOC_SHUTDOWN of linux/fs.h; XFS and ext4
_WITHOUT_LOG = 2  # what is not in the journal on the disk by now is lost


class Filesystem:
    """One of them, mounted on `directory`."""

    def __init__(self, kind: str, place: Path, size: int) -> None:
        self.directory = place / kind
        self._disk = place / f"{kind}.disk"
        with self._disk.open("wb") as file:
            file.truncate(size)
        made = [*MAKERS[kind], str(self._disk)]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        self.directory.mkdir()

    def mount(self) -> None:
        command = ["mount", "-o", "loop", str(self._disk), str(self.directory)]
        subprocess.run(command, check=True)

    def unmount(self) -> None:
        """Whoever has files open there keeps them until they are closed."""
        subprocess.run(["umount", "--lazy", str(self.directory)], check=True)

    def mount_again(self) -> None:
        """As after a start of the machine; nobody may have a file open there.

        Its device has another number then, as that of a disk may have.
        """
        subprocess.run(["umount", str(self.directory)], check=True)
        with self._disk_before():
            self.mount()

    @contextmanager
    def _disk_before(self) -> Iterator[None]:
        """A disk that takes the first number that is free."""
        with tempfile.NamedTemporaryFile(dir=self._disk.parent) as other:
            other.truncate(MiB)
            command = ["losetup", "--find", "--show", other.name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            yield
            subprocess.run(["losetup", "--detach", done.stdout.strip()], check=True)

    def cut_power(self) -> None:
        """From now on nothing reaches the disk: XFS and ext4 only."""
        fd = os.open(self.directory, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, _SHUTDOWN, struct.pack("I", _WITHOUT_LOG))
        finally:
            os.close(fd)


@contextmanager
def filesystem(kind: str, place: Path, size: int = SIZE) -> Iterator[Filesystem]:
    need(os.geteuid() == 0, "root, to mount a file system,")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    need(shutil.which(MAKERS[kind][0], path=path) is not None, MAKERS[kind][0])
    made = Filesystem(kind, place, size)
    made.mount()
    try:
        yield made
    finally:
        made.unmount()
