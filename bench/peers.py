"""Runs the programs that Longshore is measured against, and takes their time.

Everything is timed in the same run on the same files: a device drifts by a factor
of two within the hour, so only ratios inside one run mean anything.
"""

import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Series:
    """The times of one way to do the work, in seconds."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        low, high = min(self.seconds), max(self.seconds)
        return f"{self.name:<34}{self.median:8.3f} s   [{low:.3f} .. {high:.3f}]"


@contextmanager
def timed(series: Series) -> Iterator[None]:
    """The time of what is done inside is added to a series."""
    began = time.perf_counter()
    yield
    series.seconds.append(time.perf_counter() - began)


def run(*command: str | Path) -> str:
    """A program to its end; its output, or an error that shows it."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}{done.stdout}")
    return done.stdout


def flush_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def drop_cache(path: Path) -> None:
    """The pages of a file leave the cache; they must be clean."""
    flush_file(path)
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def warm_cache(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass


def qemu_rebase(top: Path) -> None:
    """Flatten with `qemu-img rebase`, flushed."""
    run("qemu-img", "rebase", "-f", "qcow2", "-b", "", top)
    flush_file(top)


def block_stream(top: Path) -> None:
    """Flatten with `block-stream` of qemu-storage-daemon over QMP, flushed."""
    daemon = subprocess.Popen(
        [
            *("qemu-storage-daemon", "--chardev", "stdio,id=qmp"),
            *("--monitor", "chardev=qmp"),
            *("--blockdev", f"file,node-name=f,filename={top}"),
            *("--blockdev", "qcow2,node-name=t,file=f"),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    qmp = _Qmp(daemon)
    try:
        qmp.read(lambda message: "QMP" in message)
        qmp.send("qmp_capabilities")
        qmp.send("block-stream", {"job-id": "j", "device": "t"})
        done = qmp.read(lambda it: it.get("event") == "BLOCK_JOB_COMPLETED")
        if "error" in done["data"]:
            raise SystemExit(f"block-stream: {done['data']['error']}")
        qmp.send("quit")
    finally:
        daemon.communicate(timeout=60)
    flush_file(top)


class _Qmp:
    """The few words of QMP that this takes."""

    def __init__(self, daemon: "subprocess.Popen[str]") -> None:
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        self._in, self._out = daemon.stdin, daemon.stdout

    def send(self, command: str, arguments: dict[str, str] | None = None) -> None:
        message = {"execute": command, "arguments": arguments or {}}
        self._in.write(json.dumps(message) + "\n")
        self._in.flush()
        answer = self.read(lambda it: "return" in it or "error" in it)
        if "error" in answer:
            raise SystemExit(f"{command}: {answer['error']}")

    def read(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        for line in self._out:
            message: dict[str, Any] = json.loads(line)
            if wanted(message):
                return message
        raise SystemExit("qemu-storage-daemon went away")


def fio_write_rate(directory: Path, length: int) -> float:
    """Bytes a second of a direct sequential write into allocated space, flushed."""
    path = directory / "fio.bin"
    try:
        out = run(
            *("fio", "--name=write", f"--filename={path}", "--rw=write", "--bs=1M"),
            *("--iodepth=16", "--ioengine=libaio", "--direct=1", "--end_fsync=1"),
            *(f"--size={length // (1 << 20)}M", "--fallocate=posix"),
            "--output-format=json",
        )
    finally:
        path.unlink(missing_ok=True)
    return float(json.loads(out)["jobs"][0]["write"]["bw_bytes"])


def missing(programs: Sequence[str]) -> list[str]:
    return [name for name in programs if shutil.which(name) is None]
