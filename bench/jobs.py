"""CreateJob to SUCCEEDED of a job that does nothing, through gRPC and durable.

Two kinds of nothing: real pulls of images that lack nothing (opened, locked,
checked, closed), and a test driver whose work is empty. Against tasks that do
nothing in dramatiq, Celery and RQ on Redis, which keep their results and flush
every command to the append-only file, as our answers follow an fsync; what they do
with a flush once a second is printed too. Clients and workers share the machine.

What a call costs by itself is printed too: a Health.Check, which does nothing, from
the same threads. A job takes at least one call, so nobody gets further than that.
"""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # ships no types

from longshore.v1 import job_service_pb2 as pb

from . import queues
from .daemon import PATIENCE, Served, pull, served
from .peers import missing
from .peers import run as command
from .report import Run, milliseconds
from .rush import Rush, rush

COUNT = 3000
PEER_COUNT = 2000
THREADS = 8
ROUNDS = 5
# Images of the real pulls, in turn: each is long free when its turn comes again.
IMAGES = 64


def measure(run: Run) -> None:
    run.report.title("jobs that do nothing: CreateJob to SUCCEEDED")
    ours = {"empty work": _nothing(run), "real pull": _real(run)}
    calls = _calls(run)
    if not run.peers:
        return
    if names := missing(["redis-server"]):
        raise SystemExit(f"Not installed: {', '.join(names)}")
    best = _peers(run)
    run.report.say(f"calls that do nothing: {calls / best:.2f} of the best queue")
    for name, rate in ours.items():
        run.report.at_least(f"jobs/s, {name}, best queue", rate / best, 3, "x")


def _nothing(run: Run) -> float:
    directory = run.directory / "n"
    directory.mkdir()
    with served(directory, does_nothing=True) as daemon:
        tops = [daemon.root / "any.qcow2"]
        return _rounds(run, daemon, tops, "empty work", run.of(COUNT, 50))


def _real(run: Run) -> float:
    directory = run.directory / "r"
    directory.mkdir()
    with served(directory) as daemon:
        tops = [daemon.root / f"{n}.qcow2" for n in range(IMAGES)]
        for top in tops:
            command("qemu-img", "create", "-q", "-f", "qcow2", top, "1G")
        return _rounds(run, daemon, tops, "real pull", run.of(COUNT // 5, 50))


def _calls(run: Run) -> float:
    """Calls a second that do nothing, of as many threads as make jobs."""
    directory = run.directory / "c"
    directory.mkdir()
    count = run.of(4000, 80)
    with served(directory, does_nothing=True) as daemon, daemon.connect() as stubs:

        def call(_: int) -> None:
            stubs.health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)

        rates = []
        for _ in range(run.of(ROUNDS, 1)):
            began = time.perf_counter()
            with ThreadPoolExecutor(THREADS) as pool:
                list(pool.map(call, range(count)))
            rates.append(count / (time.perf_counter() - began))
    rate = statistics.median(rates)
    run.report.say(f"calls that do nothing, {THREADS} threads: {rate:,.0f}/s")
    return rate


def _rounds(run: Run, daemon: Served, tops: list[Path], name: str, count: int) -> float:
    def request(_: int, number: int) -> pb.CreateJobRequest:
        return pull(tops[number % len(tops)], on_conflict=pb.ON_CONFLICT_QUEUE)

    one = rush(daemon, request, count=run.of(300, 20), threads=1)
    run.report.say(f"{name}, one thread: {milliseconds(one.latencies)}")
    rates = []
    for _ in range(run.of(ROUNDS, 1)):
        used = daemon.cpu_seconds()
        done: Rush = rush(daemon, request, count=count, threads=THREADS)
        rates.append(done.jobs_per_second)
        used = (daemon.cpu_seconds() - used) / count * 1e6
        run.report.say(
            f"{name}, {THREADS} threads: {rates[-1]:,.0f} jobs/s, daemon "
            f"{used:.0f} us of CPU each, {milliseconds(done.latencies)}"
        )
    return statistics.median(rates)


def _peers(run: Run) -> float:
    queues.install()
    run.report.say(queues.versions())
    best = 0.0
    for fsync in ("everysec", "always"):
        directory = run.directory / fsync
        directory.mkdir()
        with queues.redis(directory, fsync) as socket:
            for name in queues.WORKERS:
                rate = queues.rate(
                    name,
                    socket,
                    count=run.of(PEER_COUNT, 20),
                    threads=THREADS,
                    rounds=run.of(3, 1),
                )
                run.report.say(f"{name}, appendfsync {fsync}: {rate:,.0f} tasks/s")
                best = max(best, rate if fsync == "always" else 0.0)
    return best
