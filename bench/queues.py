"""dramatiq, Celery and RQ on a Redis of their own, installed for the bench alone."""

import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .peers import run

# Workers may take so long to end.
END_SECONDS = 10.0

HERE = Path(__file__).parent
HOME = HERE.parent / "build" / "bench-queues"

# Each as its makers run it on two CPUs: what was fastest of what was tried.
WORKERS = {
    "dramatiq": ("dramatiq", "queue_tasks", "-p", "2", "-t", "4"),
    "celery": ("celery", "-A", "queue_tasks", "worker", "-c", "2", "-l", "ERROR"),
    "rq": ("rq", "worker-pool", "-n", "2", "-w", "rq.worker.SimpleWorker", "-q"),
}


def install() -> None:
    """A virtual environment with the queues, kept for the next run."""
    stamp = HOME / "stamp"
    wanted = (HERE / "queues.txt").read_text()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    venv.create(HOME, with_pip=True)
    run(HOME / "bin" / "pip", "install", "-q", "-r", HERE / "queues.txt")
    stamp.write_text(wanted)


def versions() -> str:
    return ", ".join((HERE / "queues.txt").read_text().split())


@contextmanager
def redis(directory: Path, fsync: str) -> Iterator[Path]:
    """A Redis with an append-only file, flushed as `fsync` says."""
    socket = directory / "redis.sock"
    server = subprocess.Popen(
        [
            *("redis-server", "--port", "0", "--unixsocket", str(socket)),
            *("--dir", str(directory), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", fsync),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        while not socket.exists():
            time.sleep(0.01)
        yield socket
    finally:
        server.terminate()
        server.wait()


def rate(queue: str, socket: Path, *, count: int, threads: int, rounds: int) -> float:
    """Tasks a second of the best round: the queue's luckiest against our median."""
    environment = {
        **os.environ,
        "BENCH_REDIS": str(socket),
        "BENCH_QUEUE": queue,
        "PYTHONPATH": str(HERE),
        "C_FORCE_ROOT": "1",
    }
    program, *arguments = WORKERS[queue]
    if queue == "rq":
        arguments += ["-u", f"unix://{socket}", "default"]
    worker = subprocess.Popen(
        [str(HOME / "bin" / program), *arguments],
        env=environment,
        cwd=HERE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    client = [HOME / "bin" / "python", HERE / "queue_tasks.py", queue, count, threads]
    try:
        seconds = []
        for _ in range(rounds):
            done = subprocess.run(
                [str(word) for word in client],
                env=environment,
                capture_output=True,
                text=True,
                check=False,
                timeout=180,
            )
            if done.returncode:
                raise SystemExit(f"{queue}: {done.stderr}")
            seconds.append(float(done.stdout))
    finally:
        _end(worker)
    return count / min(seconds)


def _end(worker: subprocess.Popen[bytes]) -> None:
    """It has a session of its own: the workers that it started go with it."""
    os.killpg(worker.pid, signal.SIGTERM)
    try:
        worker.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        # A pool of RQ may wait for ever for a worker that was told at the same time.
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


if __name__ == "__main__":
    sys.exit("python -m bench jobs")
