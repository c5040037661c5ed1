"""What a running pull adds to the daemon's memory: peak RSS with four, less idle."""

from longshore.v1 import job_pb2

from .daemon import served
from .images import full_base
from .peers import warm_cache
from .report import GiB, MiB, Run

PULLS = 4


def measure(run: Run) -> None:
    size = run.of(2 * GiB, 64 * MiB)
    run.report.title(f"memory: {PULLS} pulls of {size / GiB:g} GiB at full speed")
    with served(run.directory) as daemon, daemon.connect() as stubs:
        base = full_base(daemon.root / "base.raw", size)
        warm_cache(base)
        tops = [daemon.root / f"top{number}.qcow2" for number in range(PULLS + 1)]
        for top in tops:
            stubs.create_top(top, base, "raw", size)
        # One pull first: modules that only a pull needs are part of the idle daemon.
        stubs.ended(stubs.pull(tops.pop()).job_id)
        idle = daemon.resident()
        daemon.reset_peak()
        jobs = [stubs.pull(top) for top in tops]
        for job in jobs:
            ended = stubs.ended(job.job_id)
            assert ended.state == job_pb2.JOB_STATE_SUCCEEDED, ended.error
        more = (daemon.peak() - idle) / PULLS / MiB
        run.report.say(f"idle {idle / MiB:.0f} MiB, peak {daemon.peak() / MiB:.0f} MiB")
    run.report.at_most("RSS of each running pull", more, 32, " MiB")
