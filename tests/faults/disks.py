"""Small disks to be filled, and system calls that fail: real faults, by Linux itself.

Small disks are tmpfs mounts, which need root. Injected errors come from strace
attached to the daemon, so nothing in the daemon knows that it is being tested.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.needs import need

READS = "read,pread64,preadv,preadv2"
WRITES = "write,pwrite64,pwritev,pwritev2"
FLUSHES = "fsync,fdatasync"

ATTACH_SECONDS = 20.0


class SmallDisk:
    """A file system of so many bytes on a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def resize(self, size: int) -> None:
        self._mount("-o", f"remount,size={size}", str(self.directory))

    def free(self) -> int:
        space = os.statvfs(self.directory)
        return space.f_bavail * space.f_frsize

    def leave(self, size: int) -> None:
        """Make it so large that this much is free."""
        space = os.statvfs(self.directory)
        used = (space.f_blocks - space.f_bfree) * space.f_frsize
        self.resize(used + size)

    def mount(self, size: int) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self._mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.directory))

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.directory], check=True)

    @staticmethod
    def _mount(*words: str) -> None:
        subprocess.run(["mount", *words], check=True)


@contextmanager
def small_disk(directory: Path, size: int) -> Iterator[SmallDisk]:
    need(os.geteuid() == 0, "root, to mount a small disk,")
    disk = SmallDisk(directory)
    disk.mount(size)
    try:
        yield disk
    finally:
        disk.unmount()


class Injection:
    """Calls on one file that fail while it is attached, and the log of all of them."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def end(self) -> list[str]:
        """Calls work again; those that failed come back."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=ATTACH_SECONDS)
        return [
            line for line in self._log.read_text().splitlines() if "INJECTED" in line
        ]


@contextmanager
def failing(
    pid: int, path: Path, calls: str, error: str, log: Path
) -> Iterator[Injection]:
    """Inside the `with` these system calls of a process on this file fail.

    Without an error they are only logged.
    """
    need(shutil.which("strace") is not None, "strace")
    command = ["strace", "-f", "-p", str(pid), "-P", str(path), "-o", str(log)]
    command += ["-e", f"trace={calls}"]
    if error:
        command += ["-e", f"inject={calls}:error={error}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    injection = Injection(process, log)
    try:
        for line in process.stderr:
            if "attached" in line:
                break
        yield injection
    finally:
        injection.end()
