"""Pause and cancel: from the call to the end of the last write to the target.

Seen from outside (see `writes`), at full speed and at 64 KiB/s. The time includes
the call itself: the request, the word to the worker, the write that was in flight. A
job is paused and resumed many times; a cancel needs a new job each time. What was
copied is not lost: after the last write of data it is flushed and entered into the
tables, a few KiB, whose time is printed beside it.
"""

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from longshore.v1 import job_pb2
from longshore.v1 import job_service_pb2 as pb

from .daemon import FINAL, PATIENCE, Stubs, pull, served
from .images import full_base
from .peers import missing, warm_cache
from .report import GiB, MiB, Report, Run, milliseconds, percentile
from .writes import Write, tracing, writes_to

TIMES = 60
SLOW = 64 * 1024
PAUSED = job_pb2.JOB_STATE_PAUSED


def measure(run: Run) -> None:
    if names := missing(["strace"]):
        raise SystemExit(f"Not installed: {', '.join(names)}")
    run.report.title(
        "pause and cancel: call to the end of the last write to the target"
    )
    size = run.of(8 * GiB, 256 * MiB)
    times = run.of(TIMES, 3)
    with served(run.directory, prefix=tracing(run.directory / "trace")) as daemon:
        base = full_base(daemon.root / "base.raw", size)
        warm_cache(base)
        with daemon.connect() as stubs:
            trial = Trial(stubs, run.directory / "trace", base, size)
            for speed, name in ((None, "full speed"), (SLOW, "64 KiB/s")):
                for what in (trial.pauses, trial.cancels):
                    _tell(run.report, f"{what.__name__} at {name}", what(speed, times))


def _tell(report: Report, title: str, taken: "Taken") -> None:
    report.say(f"{title}, last write of data: {milliseconds(taken.data)}")
    report.say(f"{title}, last write of tables: {milliseconds(taken.tables)}")
    tail = percentile(taken.data, 99) * 1e3
    report.at_most(f"{title}, data, p99", tail, 20, " ms")


@dataclass(slots=True)
class Taken:
    """Seconds from each call to the end of the last write after it."""

    data: list[float] = field(default_factory=list)
    tables: list[float] = field(default_factory=list)


class Trial:
    """Jobs on fresh tops over one base, stopped at random moments."""

    def __init__(self, stubs: Stubs, trace: Path, base: Path, size: int) -> None:
        self._stubs = stubs
        self._trace = trace
        self._base = base
        self._size = size
        self._chance = random.Random(1)
        self._tops = 0

    def pauses(self, speed: int | None, times: int) -> Taken:
        calls: list[tuple[Path, float, float]] = []
        while len(calls) < times:
            top, job = self._start(speed)
            while len(calls) < times:
                self._rest(speed)
                began = time.time()
                if self._pause(job.job_id).state in FINAL:
                    break
                state = self._until(job.job_id, PAUSED)
                if state in FINAL:
                    break
                resumed = time.time()
                calls.append((top, began, resumed))
                request = pb.ResumeJobRequest(job_id=job.job_id)
                self._stubs.jobs.ResumeJob(request, timeout=PATIENCE)
            self._end(job)
        return self._taken(calls)

    def cancels(self, speed: int | None, times: int) -> Taken:
        calls = []
        for _ in range(times):
            top, job = self._start(speed)
            self._rest(speed)
            began = time.time()
            self._end(job)
            calls.append((top, began, time.time()))
        return self._taken(calls)

    def _start(self, speed: int | None) -> tuple[Path, job_pb2.Job]:
        self._tops += 1
        top = self._base.with_name(f"top{self._tops}.qcow2")
        self._stubs.create_top(top, self._base, "raw", self._size)
        request = pull(top)
        if speed is not None:
            request.options.speed_bytes_per_second = speed
        return top, self._stubs.jobs.CreateJob(request, timeout=PATIENCE).job

    def _rest(self, speed: int | None) -> None:
        # Long enough that data flows, and at no fixed moment of a batch.
        time.sleep((0.05 if speed is None else 0.15) + 0.1 * self._chance.random())

    def _pause(self, job_id: str) -> job_pb2.Job:
        request = pb.PauseJobRequest(job_id=job_id)
        try:
            return self._stubs.jobs.PauseJob(request, timeout=PATIENCE).job
        except grpc.RpcError:  # it was faster
            return self._stubs.ended(job_id)

    def _until(self, job_id: str, state: job_pb2.JobState.ValueType) -> int:
        request = pb.WaitJobRequest(job_id=job_id, states=[state])
        return self._stubs.jobs.WaitJob(request, timeout=PATIENCE).job.state

    def _end(self, job: job_pb2.Job) -> None:
        request = pb.CancelJobRequest(job_id=job.job_id)
        with suppress(grpc.RpcError):  # it may have ended by itself
            self._stubs.jobs.CancelJob(request, timeout=PATIENCE)
        self._stubs.ended(job.job_id)

    def _taken(self, calls: list[tuple[Path, float, float]]) -> Taken:
        """How long after each call the last writes before `until` were over.

        Nothing was written after the call: it was over as the call came.
        """
        writes: dict[Path, list[Write]] = {}
        taken = Taken()
        for top, began, until in calls:
            if top not in writes:
                writes[top] = writes_to(self._trace, top)
                top.unlink()
            after = [w for w in writes[top] if began <= w.ended <= until]
            for kind, times in ((True, taken.data), (False, taken.tables)):
                ended = (w.ended for w in after if w.is_data is kind)
                times.append(max(ended, default=began) - began)
        return taken
