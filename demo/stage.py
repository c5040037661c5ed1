"""The demo's stage: a chain of real data, a daemon to kill, hashes to compare.

Everything lies in one temporary directory and is gone at the end.
"""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from longshored.block.chain import Chain, open_chain
from longshored.block.links import ImageRef
from longshored.block.locks import READER, WRITER
from longshored.block.node import Mode
from longshored.block.roots import Roots
from longshored.units import KiB, MiB

BIN = Path(sys.executable).parent

BASE_SIZE = 512 * MiB
# What the base is made of, in turns: noise, text and zeros, as real disks are.
BLOCK = 4 * MiB


def fill_base(path: Path, seed: int) -> None:
    """A raw disk of varied data: two thirds noise and text, one third holes."""
    dice = random.Random(seed)
    text = b"".join(b"%08d The quick brown fox jumps\n" % i for i in range(4096))
    with path.open("wb") as file:
        for start in range(0, BASE_SIZE, BLOCK):
            kind = (start // BLOCK) % 3
            if kind == 0:
                file.write(dice.randbytes(BLOCK))
            elif kind == 1:
                file.write((text * (BLOCK // len(text) + 1))[:BLOCK])
            else:
                file.seek(BLOCK, os.SEEK_CUR)
        file.truncate(BASE_SIZE)


def write_overlay(root: Path, path: Path, seed: int) -> None:
    """Guest writes into an overlay, scattered, of odd sizes."""
    dice = random.Random(seed)
    with chain_of(root, path, Mode.WRITE) as chain:
        for _ in range(60):
            length = dice.choice((4 * KiB, 24 * KiB, 200 * KiB, MiB))
            start = dice.randrange(0, (BASE_SIZE - length) // 512) * 512
            chain.top.node.pwrite(start, dice.randbytes(length))
        chain.top.node.flush()


@contextmanager
def chain_of(root: Path, path: Path, mode: Mode) -> Iterator[Chain]:
    with closing(Roots.open([str(root)])) as roots:
        row = WRITER if mode is Mode.WRITE else READER
        image = ImageRef(str(path), "qcow2")
        chain = open_chain(roots, image, mode=mode, row=row)
        with closing(chain):
            yield chain


def visible_hash(root: Path, path: Path) -> str:
    """SHA-256 of every byte a guest would see."""
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(MiB))
    with chain_of(root, path, Mode.READ) as chain:
        for start in range(0, chain.size, MiB):
            part = buffer[: min(MiB, chain.size - start)]
            chain.readinto(start, part)
            digest.update(part)
    return digest.hexdigest()


class Daemon:
    """A longshored of our own, in the demo's directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = f"unix:{directory}/run/longshored.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command: list[str | Path] = [
            BIN / "longshored",
            "serve",
            "--listen",
            self.address,
            "--state",
            self.directory / "state",
            "--root",
            self.directory / "images",
        ]
        log = (self.directory / "longshored.log").open("ab")
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._await_serving()

    def _await_serving(self) -> None:
        for _ in range(200):
            probe: list[str | Path] = [BIN / "longshored", "probe", self.address]
            if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.05)
        log = (self.directory / "longshored.log").read_text()
        raise SystemExit(f"longshored did not come up:\n{log}")

    def kill(self) -> None:
        """As a power cut would: no goodbye."""
        assert self._process is not None, "started"
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()


def cli(daemon: Daemon, *words: str | Path, show: bool = True) -> str:
    """Run `longshore`, as a person would; its stdout."""
    if show:
        print(f"\n$ longshore {' '.join(str(word) for word in words)}", flush=True)
    environment = {**os.environ, "LONGSHORE_ADDRESS": daemon.address}
    done = subprocess.run(
        [BIN / "longshore", *words],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if show:
        print(done.stdout, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"longshore ended with {done.returncode}")
    return done.stdout.strip()
