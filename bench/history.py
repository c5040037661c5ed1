"""What a long history costs: lists, the start, memory, with a million finished jobs.

The jobs lie in the store of a daemon whose pulls do nothing. The store's file is
in the page cache, unless a line says that it was dropped.
"""

import random
import shutil
import time
from pathlib import Path

from longshore.v1 import job_pb2
from longshore.v1 import job_service_pb2 as pb

from .daemon import PATIENCE, Served, Stubs, served
from .filled import TENANTS, fill
from .peers import drop_cache, warm_cache
from .report import MiB, Run, milliseconds, percentile

STARTS = 5
CALLS = 500


def measure(run: Run) -> None:
    finished, unfinished = run.of(1_000_000, 2_000), run.of(10_000, 50)
    run.report.title(f"history: {finished:,} finished, {unfinished:,} unfinished jobs")
    directory = run.directory / "history"
    directory.mkdir()
    began = time.perf_counter()
    fill(directory / "state", finished=finished, unfinished=unfinished)
    size = _file(directory).stat().st_size
    took = time.perf_counter() - began
    run.report.say(f"filled in {took:.0f} s, {size / MiB:,.0f} MiB")
    _starts(run, directory)
    with served(directory, does_nothing=True) as daemon, daemon.connect() as stubs:
        time.sleep(run.of(5, 0))  # what a start leaves to be done is done
        _memory(run, daemon)
        drop_cache(_file(directory))
        times = _walk(stubs, "t0008", run.of(100, 5))
        run.report.say(
            f"ListJobs, page after page, cache dropped: {milliseconds(times)}"
        )
        warm_cache(_file(directory))
        _lists(run, stubs)
        run.report.say(f"after the lists: RSS {daemon.resident() / MiB:.0f} MiB")
    shutil.rmtree(directory)


def _file(directory: Path) -> Path:
    return directory / "state" / "jobs.sqlite"


def _starts(run: Run, directory: Path) -> None:
    for cache in ("warm", "dropped"):
        times = []
        for _ in range(run.of(STARTS, 1)):
            if cache == "dropped":
                drop_cache(_file(directory))
            daemon = Served(directory, does_nothing=True)
            times.append(daemon.start())
            daemon.stop()
        run.report.say(f"start to SERVING, cache {cache}: {milliseconds(times)}")
        if cache == "warm":
            middle = percentile(times, 50)
            run.report.at_most("start to SERVING, warm, median", middle, 1.5, " s")


def _memory(run: Run, daemon: Served) -> None:
    resident = daemon.resident() / MiB
    run.report.say(f"idle: private {daemon.private() / MiB:.0f} MiB of RSS")
    run.report.at_most("RSS idle", resident, 120, " MiB")


def _lists(run: Run, stubs: Stubs) -> None:
    """Pages of 100: by label, by label and state; the first page and later ones."""
    chance = random.Random(1)
    worst = 0.0
    for name, states in (
        ("label", ()),
        ("label and state", (job_pb2.JOB_STATE_FAILED,)),
        ("state", (job_pb2.JOB_STATE_CANCELLED,)),
    ):
        times = [
            _page(stubs, states, None if name == "state" else chance)
            for _ in range(run.of(CALLS, 20))
        ]
        run.report.say(f"ListJobs by {name}, 100 a page: {milliseconds(times)}")
        worst = max(worst, percentile(times, 99))
    times = _walk(stubs, "t0007", run.of(100, 5))
    run.report.say(f"ListJobs, page after page: {milliseconds(times)}")
    worst = max(worst, percentile(times, 99))
    run.report.at_most("ListJobs, worst p99 of these", worst * 1e3, 5, " ms")


def _page(
    stubs: Stubs,
    states: tuple[job_pb2.JobState.ValueType, ...],
    chance: random.Random | None,
) -> float:
    request = pb.ListJobsRequest(page_size=100, states=states)
    if chance is not None:
        request.selector.labels["tenant"] = f"t{chance.randrange(TENANTS):04}"
    return _timed(stubs, request)[0]


def _walk(stubs: Stubs, tenant: str, pages: int) -> list[float]:
    request = pb.ListJobsRequest(page_size=100)
    request.selector.labels["tenant"] = tenant
    times = []
    for _ in range(pages):
        took, answer = _timed(stubs, request)
        times.append(took)
        if not (token := answer.next_page_token):
            break
        request.page_token = token
    return times


def _timed(
    stubs: Stubs, request: pb.ListJobsRequest
) -> tuple[float, pb.ListJobsResponse]:
    began = time.perf_counter()
    answer = stubs.jobs.ListJobs(request, timeout=PATIENCE)
    took = time.perf_counter() - began
    assert answer.jobs, "an empty page measures nothing"
    return took, answer
