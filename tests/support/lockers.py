"""Other processes that hold an image: a Python one of ours, and QEMU's own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = Path(__file__).resolve().parents[2] / "server"

_HOLD = """
import os, sys
sys.path.insert(0, sys.argv[1])
from longshored.block.locks import ImageLock, LockRow, Permission
fd = os.open(sys.argv[2], os.O_RDWR)
row = LockRow(Permission(int(sys.argv[3])), Permission(int(sys.argv[4])))
print(ImageLock(fd, sys.argv[2]).take(row), flush=True)
sys.stdin.read()
"""


@contextmanager
def python_holder(image: Path, uses: int, unshared: int) -> Iterator[int]:
    """The pid of a process that holds these permissions until the `with` ends."""
    command = [sys.executable, "-c", _HOLD, str(SERVER), str(image)]
    with _running([*command, str(uses), str(unshared)]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "()\n"
        yield process.pid


@contextmanager
def qemu_io_holder(image: Path, format_: str, *, write: bool) -> Iterator[int]:
    """The pid of a qemu-io that has the image open until the `with` ends."""
    command = ["qemu-io", *([] if write else ["-r"]), "-f", format_, str(image)]
    with _running(command) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("read 0 512\n")
        process.stdin.flush()
        # The answer to a read means that the image is open and locked.
        assert any("read 512/512" in line for line in process.stdout)
        yield process.pid


@contextmanager
def storage_daemon_holder(image: Path) -> Iterator[int]:
    """The pid of a qemu-storage-daemon with a qcow2 image open, as a machine has."""
    file = f"file.driver=file,file.filename={image}"
    command = [
        "qemu-storage-daemon",
        *("--blockdev", f"driver=qcow2,node-name=disk,{file}"),
        *("--chardev", "stdio,id=qmp", "--monitor", "chardev=qmp"),
    ]
    with _running(command) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        # The greeting comes when everything before it on the line is open.
        assert "QMP" in process.stdout.readline()
        yield process.pid
        process.stdin.write('{"execute": "qmp_capabilities"}\n{"execute": "quit"}\n')
        process.stdin.flush()


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.communicate(timeout=20)
