"""PlanJob of a pull of 1 TiB with 1 GiB of data: its cost follows the data.

The data lies in runs of 1 MiB, evenly spread: each in a table of its own. The
images' metadata is in the page cache, unless a line says that it was dropped.
"""

import statistics
import time

from longshore.v1 import job_service_pb2 as pb

from .daemon import PATIENCE, pull, served
from .images import sparse_base
from .peers import drop_cache
from .report import GiB, MiB, Run

TIMES = 5


def measure(run: Run) -> None:
    size, data = run.of(1024 * GiB, GiB), run.of(GiB, 16 * MiB)
    run.report.title(f"plan: {size / GiB:g} GiB virtual, {data / MiB:g} MiB of data")
    slowest, most = 0.0, 0.0
    with served(run.directory) as daemon, daemon.connect() as stubs:
        for format_ in ("raw", "qcow2"):
            base = sparse_base(daemon.root / f"base.{format_}", format_, size, data)
            top = daemon.root / f"top-{format_}.qcow2"
            stubs.create_top(top, base, format_, size)
            request = pb.PlanJobRequest(request=pull(top))
            for cache in ("dropped", "warm"):
                times, idle = [], daemon.resident()
                daemon.reset_peak()
                for _ in range(run.of(TIMES, 1)):
                    if cache == "dropped":
                        drop_cache(base)
                    began = time.perf_counter()
                    plan = stubs.jobs.PlanJob(request, timeout=PATIENCE).plan
                    times.append(time.perf_counter() - began)
                    assert plan.write_bytes == data, plan
                middle, more = statistics.median(times), daemon.peak() - idle
                run.report.say(
                    f"{format_} base, cache {cache}: median {middle:.3f} s, "
                    f"peak RSS +{more / MiB:.1f} MiB"
                )
                slowest, most = max(slowest, middle), max(most, more / MiB)
    run.report.at_most("plan, slowest median", slowest, 1.0, " s")
    run.report.at_most("plan, most memory", most, 64, " MiB")
