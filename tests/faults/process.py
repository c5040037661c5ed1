"""The daemon as a process of its own: started, killed, started again.

Its directory holds everything: `state` the store, `images` the root, the socket and
the log. A daemon that does not come up is an error with the end of its log.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from longshore import Client

READY_SECONDS = 30.0
DEATH_SECONDS = 30.0

_READY = '"event": "ready"'


@dataclass(frozen=True, slots=True)
class Place:
    """Where a daemon keeps what, and what it is told beside that."""

    directory: Path
    roots: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    wrapper: tuple[str, ...] = ()  # a program that runs it, such as strace
    module: str = "longshored"
    disk: Path | None = None  # where images and state lie, if not in the directory

    @property
    def images(self) -> Path:
        return (self.disk or self.directory) / "images"

    @property
    def state(self) -> Path:
        return (self.disk or self.directory) / "state"

    @property
    def socket(self) -> Path:
        return self.directory / "longshored.sock"

    @property
    def address(self) -> str:
        return f"unix:{self.socket}"

    @property
    def log(self) -> Path:
        return self.directory / "daemon.log"

    def command(self) -> list[str]:
        words = [*self.wrapper, sys.executable, "-P", "-m", self.module, "serve"]
        words += ["--state", str(self.state), "--listen", self.address]
        for root in self.roots or (self.images,):
            words += ["--root", str(root)]
        return [*words, "--log-format", "json"]


class DaemonFailed(Exception):
    """It ended instead of serving; the text is the end of its log."""


class Daemon:
    """One place, and the process that serves it at the moment, if any."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._ready = threading.Event()
        self._serving: int | None = None

    def start(self, **environment: str) -> "Daemon":
        """Start it and wait until it serves."""
        self.launch(**environment)
        self.wait_ready()
        return self

    def launch(self, **environment: str) -> None:
        """Start it and wait for nothing."""
        self.place.images.mkdir(parents=True, exist_ok=True)
        self._ready = threading.Event()
        self._serving = None
        self._process = subprocess.Popen(
            self.place.command(),
            env=_plain() | dict(self.place.environment) | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stderr,), daemon=True
        )
        self._reader.start()

    def wait_ready(self) -> None:
        """Raises DaemonFailed if it ends first."""
        if not self._ready.wait(READY_SECONDS):
            raise DaemonFailed(f"not ready after {READY_SECONDS:g} s\n{self.tail()}")
        if self._serving is None:
            raise DaemonFailed(self.tail())

    def kill(self) -> None:
        """SIGKILL, as an OOM killer would, and wait until it is gone."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self.wait_dead()

    def freeze(self) -> None:
        """SIGSTOP: until it is killed it does nothing more."""
        os.kill(self.pid, signal.SIGSTOP)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
        return self.wait_dead()

    def wait_dead(self, seconds: float = DEATH_SECONDS) -> int:
        """Its exit status; subprocess.TimeoutExpired if it lives on."""
        assert self._process is not None
        status = self._process.wait(seconds)
        assert self._reader is not None
        self._reader.join()
        return status

    @property
    def pid(self) -> int:
        """Of the daemon itself, not of what it is wrapped in."""
        assert self._process is not None
        return self._serving or self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def client(self) -> Client:
        return Client(self.place.address)

    def tail(self) -> str:
        if not self.place.log.exists():
            return "it wrote no log"
        return "\n".join(self.place.log.read_text().splitlines()[-20:])

    def _read(self, stream: IO[bytes]) -> None:
        with stream, self.place.log.open("ab", buffering=0) as log:
            for line in stream:
                log.write(line)
                if _READY.encode() in line:
                    self._serving = _pid_in(line.decode())
                    self._ready.set()
        # At the end nobody needs to wait any longer.
        self._ready.set()


def _plain() -> dict[str, str]:
    """This process's environment without anything that steers a daemon."""
    return {k: v for k, v in os.environ.items() if not k.startswith("LONGSHORE")}


def _pid_in(line: str) -> int:
    return int(line.split('"pid": ', 1)[1].split(",", 1)[0])


@contextmanager
def serving(
    directory: Path,
    *,
    roots: Sequence[Path] = (),
    wrapper: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    module: str = "longshored",
) -> Iterator[Daemon]:
    """A daemon that serves inside the `with`, and is killed at its end."""
    place = Place(directory, tuple(roots), environment or {}, tuple(wrapper), module)
    daemon = Daemon(place)
    try:
        yield daemon.start()
    finally:
        daemon.kill()
