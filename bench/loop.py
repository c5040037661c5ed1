"""How late the daemon's event loop is while four pulls run at full speed.

Measured from outside, by health checks: their handler does nothing, so what one
takes beyond a check of the idle daemon is what the loop was late (and what two
busy CPUs made both processes wait). The median of the idle daemon is taken off.
"""

import statistics
import time
from pathlib import Path

from grpc_health.v1 import health_pb2  # type: ignore[import-untyped]  # no types

from longshore.v1 import job_service_pb2 as pb

from .daemon import FINAL, PATIENCE, Stubs, served
from .images import full_base
from .peers import warm_cache
from .report import GiB, MiB, Run, milliseconds, percentile

PULLS = 4
PAUSE = 0.002
IDLE_CHECKS = 500
ROUNDS = 5


def measure(run: Run) -> None:
    size = run.of(2 * GiB, 64 * MiB)
    run.report.title(f"event loop: health checks while {PULLS} pulls run")
    with served(run.directory) as daemon, daemon.connect() as stubs:
        base = full_base(daemon.root / "base.raw", size)
        warm_cache(base)
        idle = [_check(stubs) for _ in range(run.of(IDLE_CHECKS, 20))]
        run.report.say(f"idle: {milliseconds(idle)}")
        usual = statistics.median(idle)
        tails = []
        for _ in range(run.of(ROUNDS, 1)):
            busy, rate = _round(stubs, base, size)
            late = [max(0.0, one - usual) for one in busy]
            run.report.say(f"busy, {rate / 1e9:.2f} GB/s: {milliseconds(late)}")
            tails.append(percentile(late, 99) * 1e3)
    middle = statistics.median(tails)
    run.report.at_most("event loop late, p99, median of runs", middle, 10, " ms")


def _check(stubs: Stubs) -> float:
    time.sleep(PAUSE)
    began = time.perf_counter()
    stubs.health.Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    return time.perf_counter() - began


def _round(stubs: Stubs, base: Path, size: int) -> tuple[list[float], float]:
    """The times of checks from the start of the pulls until the first has ended."""
    tops = [base.with_name(f"top{number}.qcow2") for number in range(PULLS)]
    for top in tops:
        stubs.create_top(top, base, "raw", size)
    began = time.perf_counter()
    jobs = [stubs.pull(top).job_id for top in tops]
    times: list[float] = []
    while not any(_has_ended(stubs, job) for job in jobs):
        times.extend(_check(stubs) for _ in range(20))
    for job in jobs:
        stubs.ended(job)
    rate = PULLS * size / (time.perf_counter() - began)
    for top in tops:
        top.unlink()
    return times, rate


def _has_ended(stubs: Stubs, job_id: str) -> bool:
    answer = stubs.jobs.GetJob(pb.GetJobRequest(job_id=job_id), timeout=PATIENCE)
    return answer.job.state in FINAL
