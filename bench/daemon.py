"""A daemon to be measured: a process of its own, looked at from outside."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import (  # type: ignore[import-untyped]  # ships no types
    health_pb2,
    health_pb2_grpc,
)

from longshore.v1 import image_service_pb2 as images_pb
from longshore.v1 import (
    image_service_pb2_grpc,
    job_pb2,
    job_service_pb2_grpc,
    system_service_pb2_grpc,
)
from longshore.v1 import job_service_pb2 as pb

PATIENCE = 120.0

FINAL = frozenset(
    {
        job_pb2.JOB_STATE_SUCCEEDED,
        job_pb2.JOB_STATE_FAILED,
        job_pb2.JOB_STATE_CANCELLED,
    }
)

# A channel of its own for each user: else all of a process share one connection.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


class Stubs:
    """Raw stubs behind one connection."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address, options=_OPTIONS)
        self.jobs = job_service_pb2_grpc.JobServiceStub(self.channel)
        self.images = image_service_pb2_grpc.ImageServiceStub(self.channel)
        self.system = system_service_pb2_grpc.SystemServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def __enter__(self) -> "Stubs":
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def pull(self, top: Path | str, **fields: object) -> job_pb2.Job:
        return self.jobs.CreateJob(pull(top, **fields), timeout=PATIENCE).job

    def ended(self, job_id: str) -> job_pb2.Job:
        """The job once it has ended."""
        while True:
            answer = self.jobs.WaitJob(
                pb.WaitJobRequest(job_id=job_id), timeout=PATIENCE
            )
            if answer.reached:
                return answer.job

    def create_top(self, top: Path, base: Path, format_: str, size: int) -> None:
        request = images_pb.CreateImageRequest(virtual_size_bytes=size)
        request.image.uri, request.image.format = str(top), "qcow2"
        request.backing.uri, request.backing.format = str(base), format_
        self.images.CreateImage(request, timeout=PATIENCE)


def pull(top: Path | str, **fields: Any) -> pb.CreateJobRequest:
    request = pb.CreateJobRequest(**fields)
    request.info.block.pull.spec.top.uri = str(top)
    request.info.block.pull.spec.top.format = "qcow2"
    return request


@dataclass
class Served:
    """`longshored serve` below a directory: `state`, `images`, a socket, a log."""

    directory: Path
    does_nothing: bool = False
    cpu: int | None = None  # pinned to this one
    port: int | None = None  # on the loopback too
    # A command that becomes the daemon, as `strace -D ...` does.
    prefix: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.directory / "images"

    @property
    def address(self) -> str:
        return f"unix:{self.directory / 'd.sock'}"

    def start(self) -> float:
        """Start it; how long it took until health said SERVING."""
        self.root.mkdir(exist_ok=True)
        began = time.perf_counter()
        with (self.directory / "log").open("a") as log:
            self._process = subprocess.Popen(
                self._command(), stderr=log, env={**os.environ, **self._environment()}
            )
        self._await_serving()
        return time.perf_counter() - began

    def _command(self) -> list[str]:
        pin = [] if self.cpu is None else ["taskset", "-c", str(self.cpu)]
        program = "bench.nothing" if self.does_nothing else "longshored"
        return [
            *pin,
            *self.prefix,
            *(sys.executable, "-m", program, "serve", "--log-format", "json"),
            *("--state", str(self.directory / "state"), "--root", str(self.root)),
            *("--listen", self.address),
            *(["--listen", f"127.0.0.1:{self.port}"] if self.port else []),
            *(["--insecure"] if self.port else []),
        ]

    def _environment(self) -> dict[str, str]:
        return {f"LONGSHORE_{name}": value for name, value in self.settings.items()}

    def _await_serving(self) -> None:
        socket = self.directory / "d.sock"
        while not socket.exists():
            self._check_alive()
            time.sleep(0.001)
        with Stubs(self.address) as stubs:
            request = health_pb2.HealthCheckRequest()
            stubs.health.Check(request, timeout=PATIENCE, wait_for_ready=True)

    def _check_alive(self) -> None:
        if self._process.poll() is not None:
            raise SystemExit((self.directory / "log").read_text())

    @property
    def pid(self) -> int:
        return self._process.pid

    def connect(self) -> Stubs:
        return Stubs(self.address)

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        self._process.wait(PATIENCE)

    def resident(self) -> int:
        """Its resident set in bytes."""
        return resident(self.pid)

    def private(self) -> int:
        """What it alone has in memory: without files that others map too."""
        return _kilobytes(self.pid, "smaps_rollup", "Private_Dirty:")

    def reset_peak(self) -> None:
        reset_peak(self.pid)

    def peak(self) -> int:
        """Its largest resident set since `reset_peak`."""
        return peak(self.pid)

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)


def resident(pid: int) -> int:
    """The resident set of a process in bytes."""
    return _kilobytes(pid, "status", "VmRSS:")


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The largest resident set of a process since `reset_peak`."""
    return _kilobytes(pid, "status", "VmHWM:")


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has used."""
    text = Path(f"/proc/{pid}/stat").read_text()
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _kilobytes(pid: int, file: str, name: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise SystemExit(f"/proc/{pid}/{file} has no {name}")


@contextmanager
def served(directory: Path, **how: object) -> Iterator[Served]:
    """A daemon that serves, for the time of a `with`."""
    daemon = Served(directory, **how)  # type: ignore[arg-type]
    daemon.start()
    try:
        yield daemon
    finally:
        daemon.stop()
