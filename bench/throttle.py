"""Rate limits from 1 MB/s to 1 GB/s over 10 s: how exact, how smooth, from outside.

The bytes are those of the data writes to the target, at the time at which each was
over (see `writes`). The fullest window of 100 ms is sought at every write. A limit
is one on data: what the tables of the image take beside it is printed.
"""

import time
from bisect import bisect_right
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

import grpc

from longshore.v1 import job_service_pb2 as pb

from .daemon import PATIENCE, Stubs, pull, served
from .images import full_base
from .peers import missing, warm_cache
from .report import GiB, MiB, Run
from .writes import Write, tracing, writes_to

SECONDS = 10.0
WINDOW = 0.1
RATES = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)


def measure(run: Run) -> None:
    if names := missing(["strace"]):
        raise SystemExit(f"Not installed: {', '.join(names)}")
    seconds = SECONDS / run.of(1, 10)
    rates = RATES[: run.of(len(RATES), 3)]
    run.report.title(f"throttle: {seconds:g} s at each rate, raw base, warm cache")
    errors, fullest = [], []
    with served(run.directory, prefix=tracing(run.directory / "trace")) as daemon:
        size = run.of(12 * GiB, 192 * MiB)
        base = full_base(daemon.root / "base.raw", size)
        with daemon.connect() as stubs:
            for rate in rates:
                warm_cache(base)
                top = daemon.root / f"top{rate}.qcow2"
                stubs.create_top(top, base, "raw", size)
                _pull_for(stubs, top, rate, seconds)
                found = writes_to(run.directory / "trace", top)
                data = [write for write in found if write.is_data]
                tables = sum(write.length for write in found if not write.is_data)
                error, fill = _judge(data, rate, seconds)
                run.report.say(
                    f"{rate / 1e6:6g} MB/s: error {error:+.2%}, fullest 100 ms "
                    f"{fill:.2f}x, {len(data)} writes; {tables / 1024:.0f} KiB tables"
                )
                errors.append(abs(error))
                fullest.append(fill)
                top.unlink()
    run.report.at_most("throttle, worst error", max(errors) * 100, 0.5, " %")
    run.report.at_most("throttle, fullest 100 ms of all", max(fullest), 1.1, "x")


def _pull_for(stubs: Stubs, top: Path, rate: int, seconds: float) -> None:
    request = pull(top)
    request.options.speed_bytes_per_second = rate
    job = stubs.jobs.CreateJob(request, timeout=PATIENCE).job
    time.sleep(seconds + 1.0)
    with suppress(grpc.RpcError):  # a tiny one may have ended
        stubs.jobs.CancelJob(pb.CancelJobRequest(job_id=job.job_id), timeout=PATIENCE)
    stubs.ended(job.job_id)


def _judge(writes: list[Write], rate: int, seconds: float) -> tuple[float, float]:
    """The error over the time from the first write, and the fullest window's fill."""
    times = [write.ended for write in writes]
    moved = [0, *accumulate(write.length for write in writes)]
    start = times[0]
    total = moved[bisect_right(times, start + seconds)]
    fullest = max(
        moved[bisect_right(times, at + WINDOW)] - moved[index]
        for index, at in enumerate(times)
        if at <= start + seconds - WINDOW
    )
    return total / (rate * seconds) - 1, fullest / (rate * WINDOW)
