"""Daemons for tests: one on a loop in this process, or one that is a real process.

Both serve on a unix socket in a directory of the test. A test talks to them
with the generated stubs.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import structlog

from longshore.v1 import (
    image_service_pb2_grpc,
    job_service_pb2_grpc,
    system_service_pb2_grpc,
)
from longshored.app.daemon import Daemon, Tuning
from longshored.block.roots import Roots
from longshored.clock import Clock
from longshored.config.settings import (
    Config,
    ImageSettings,
    ServerSettings,
    StoreSettings,
)
from longshored.drivers.base import Driver, by_kind

T = TypeVar("T")

# How long a test waits for what must come; never how long it takes.
PATIENCE = 20.0


class Stubs:
    """The three services behind one channel."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.jobs = job_service_pb2_grpc.JobServiceStub(channel)
        self.images = image_service_pb2_grpc.ImageServiceStub(channel)
        self.system = system_service_pb2_grpc.SystemServiceStub(channel)

    def close(self) -> None:
        self.channel.close()


@dataclass(frozen=True)
class Place:
    """Where a test's daemon lives: state, images, socket."""

    directory: Path

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def root(self) -> Path:
        root = self.directory / "images"
        root.mkdir(exist_ok=True)
        return root

    @property
    def address(self) -> str:
        return f"unix:{self.directory / 'run' / 'd.sock'}"

    def config(self, **sections: Any) -> Config:
        """Settings of a daemon here; a section that is given replaces the default."""
        return Config(
            **{
                "server": ServerSettings(listen=(self.address,)),
                "store": StoreSettings(self.state),
                "images": ImageSettings((str(self.root),)),
                **sections,
            }
        )


class LocalDaemon:
    """A daemon in this process, on a loop and a thread of its own."""

    def __init__(
        self,
        config: Config,
        *,
        drivers: Sequence[Driver] | None = None,
        clock: Clock | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        # Unless a test wants more: a line per call hides what matters.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="daemon")
        more: dict[str, Any] = {}
        if drivers is not None:
            table = by_kind(drivers)

            def registry(_: Roots) -> Mapping[str, Driver]:
                return table

            more["registry"] = registry
        self.daemon = Daemon(config, clock=clock, tuning=tuning, **more)
        self.addresses: tuple[str, ...] = ()

    def start(self) -> "LocalDaemon":
        self._thread.start()
        try:
            bound = self.on_loop(self.daemon.start())
        except BaseException:
            self._end_loop()
            raise
        self.addresses = tuple(str(address) for address in bound)
        return self

    def stop(self) -> None:
        """Drain it, as SIGTERM does."""
        try:
            self.on_loop(self.daemon.stop())
        finally:
            self._end_loop()

    def stop_once(self) -> None:
        """Drain it unless a test has done so."""
        if not self._loop.is_closed():
            self.stop()

    def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(PATIENCE)

    def connect(self) -> Stubs:
        return Stubs(grpc.insecure_channel(self.addresses[0]))

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


@contextmanager
def local_daemon(config: Config, **parts: Any) -> Iterator[Stubs]:
    """A daemon and a connection to it, for the time of a `with`."""
    daemon = LocalDaemon(config, **parts).start()
    stubs = daemon.connect()
    try:
        yield stubs
    finally:
        stubs.close()
        daemon.stop()


@dataclass
class DaemonProcess:
    """`longshored serve` as a process, to be killed."""

    place: Place
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def start(self) -> "DaemonProcess":
        """Start it and wait for its `ready` line."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "longshored",
                "serve",
                *("--state", str(self.place.state)),
                *("--root", str(self.place.root)),
                *("--listen", self.place.address),
                *("--log-format", "json"),
                *self.arguments,
            ],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environment},
        )
        self.lines: list[dict[str, Any]] = []
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._ready.wait(PATIENCE), self.lines
        assert self.lines[-1].get("event") == "ready", self.lines
        return self

    @property
    def pid(self) -> int:
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def connect(self) -> Stubs:
        return Stubs(grpc.insecure_channel(self.place.address))

    def kill(self) -> None:
        """As the kernel or an operator does: no farewell."""
        self._process.kill()
        self.wait()

    def terminate(self) -> int:
        """SIGTERM; its exit code comes back."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
        return code

    def end(self) -> None:
        """Whatever became of it: it is gone afterwards."""
        if self._process.poll() is None:
            self.kill()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._take(line)
        self._ready.set()

    def _take(self, line: str) -> None:
        try:
            self.lines.append(json.loads(line))
        except ValueError:
            self.lines.append({"event": line.rstrip()})
        if self.lines[-1].get("event") == "ready":
            self._ready.set()
