"""A rush of jobs through a daemon: made by several threads, their ends seen by a watch.

The figure is jobs a second from the first CreateJob until the watch has told the
SUCCEEDED of the last one. Every answer follows its commit with fsync.
"""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from longshore.v1 import job_pb2, watch_pb2
from longshore.v1 import job_service_pb2 as pb

from .daemon import FINAL, PATIENCE, Served, Stubs


@dataclass(frozen=True, slots=True)
class Rush:
    jobs_per_second: float
    latencies: list[float]  # from the call of CreateJob to the end seen, in seconds


class _Ends:
    """Listens to every change, and notes when each job was seen to end."""

    def __init__(self, stubs: Stubs, count: int) -> None:
        self.times: dict[str, float] = {}
        self.done = threading.Event()
        self._count = count
        self._call = stubs.jobs.WatchJobs(
            watch_pb2.WatchJobsRequest(
                from_now=watch_pb2.WatchJobsRequest.FromNow(), omit_progress=True
            )
        )
        next(self._call)  # opened: from here on nothing is missed
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for frame in self._call:
            now = time.perf_counter()
            for event in frame.events.events:
                if event.job.state in FINAL:
                    _check_succeeded(event.job)
                    self.times[event.job.job_id] = now
            if len(self.times) >= self._count:
                self.done.set()
                self._call.cancel()
                return


def _check_succeeded(job: job_pb2.Job) -> None:
    if job.state != job_pb2.JOB_STATE_SUCCEEDED:
        raise SystemExit(f"a job did not succeed: {job.error}")


def rush(
    daemon: Served,
    request: Callable[[int, int], pb.CreateJobRequest],
    *,
    count: int,
    threads: int,
) -> Rush:
    """Make so many jobs; `request` is told which thread makes which."""
    began: dict[str, float] = {}
    numbers = itertools.count()
    with daemon.connect() as watching, daemon.connect() as making:
        ends = _Ends(watching, count)

        def make(thread: int) -> None:
            while (number := next(numbers)) < count:
                now = time.perf_counter()
                answer = making.jobs.CreateJob(
                    request(thread, number), timeout=PATIENCE
                )
                began[answer.job.job_id] = now

        start = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(make, range(threads)))
        if not ends.done.wait(PATIENCE):
            raise SystemExit(f"{count - len(ends.times)} jobs have not ended")
    took = max(ends.times.values()) - start
    return Rush(count / took, [ends.times[name] - began[name] for name in began])
