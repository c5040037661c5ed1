"""What the wrapper of each client costs: a watch of 100 jobs, against the raw stub of
the same language, in processor time per event and memory of the process.

Both read the same history from its beginning, several times over, and keep nothing;
the process has done so before it is measured. What is not built is left out, and named.
"""

from dataclasses import dataclass
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp

from longshore.v1 import job_options_pb2
from longshore.v1 import job_service_pb2 as pb
from tests.conformance.built import built
from tests.conformance.languages import Language, standing
from tests.conformance.process import Fields, Process

from .daemon import Served, Stubs, cpu_seconds, peak, reset_peak, served
from .report import MiB, Run

JOBS = 100

# Calls on their way at once while the history is made.
AT_ONCE = 64

DRAIN_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one drain: processor seconds per event, peak of memory in bytes."""

    seconds: float
    memory: int

    def __str__(self) -> str:
        return f"{self.seconds * 1e6:.1f} µs an event, {self.memory / MiB:.0f} MiB"


def measure(run: Run) -> None:
    changes, rounds = run.of(20_000, 500), run.of(10, 1)
    run.report.title(f"clients: {JOBS} jobs watched, {changes * rounds:,} events each")
    with served(run.directory, does_nothing=True) as daemon, daemon.connect() as stubs:
        make_history(stubs, daemon.root, changes)
        languages = built()
        left_out = {one.name for one in standing()} - {one.name for one in languages}
        if left_out:
            run.report.say(f"not built here: {', '.join(sorted(left_out))}")
        for language in languages:
            raw, wrapped = (
                cost(language, daemon, changes, rounds, raw=is_raw)
                for is_raw in (True, False)
            )
            run.report.say(f"{language.name}: raw {raw}; wrapper {wrapped}")
            name = f"{language.name} client of its raw stub,"
            if raw.seconds > 0:
                ratio = wrapped.seconds / raw.seconds
                run.report.at_most(f"{name} CPU", ratio, 2, "x")
            run.report.at_most(f"{name} memory", wrapped.memory / raw.memory, 2, "x")


def make_history(stubs: Stubs, root: Path, changes: int) -> None:
    """Jobs that are to start in a hundred years, and changes of their priority."""
    later = Timestamp(seconds=4_900_000_000)
    options = job_options_pb2.JobOptions(earliest_start_time=later)
    job_ids = [
        stubs.pull(root / f"{number}.qcow2", options=options).job_id
        for number in range(JOBS)
    ]
    for begin in range(0, changes, AT_ONCE):
        calls = [
            stubs.jobs.UpdateJob.future(reprioritised(job_ids[number % JOBS], number))
            for number in range(begin, min(begin + AT_ONCE, changes))
        ]
        for call in calls:
            call.result()


def reprioritised(job_id: str, number: int) -> pb.UpdateJobRequest:
    """Another priority than it has."""
    options = job_options_pb2.JobOptions(priority=number // JOBS % 1000)
    return pb.UpdateJobRequest(job_id=job_id, options=options)


def cost(
    language: Language, daemon: Served, changes: int, rounds: int, *, raw: bool
) -> Cost:
    """In a process of its own, which has warmed up."""
    process = language.start()
    try:
        history = history_of(daemon)
        ask(process, op="connect", address=daemon.address)
        drain = {
            "op": "drain",
            "raw": raw,
            "count": changes,
            "cursor": {"historyId": history, "revision": "0"},
        }
        ask(process, **drain)
        reset_peak(process.pid)
        began = cpu_seconds(process.pid)
        for _ in range(rounds):
            ask(process, **drain)
        used = cpu_seconds(process.pid) - began
        return Cost(used / (changes * rounds), peak(process.pid))
    finally:
        process.end()


def history_of(daemon: Served) -> str:
    with daemon.connect() as stubs:
        cursor = stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=1)).cursor
        history: str = cursor.history_id
        return history


def ask(process: Process, **fields: object) -> Fields:
    answer = process.ask({"client": "c", **fields}, DRAIN_SECONDS)
    if "error" in answer:
        raise SystemExit(f"{fields['op']}: {answer['error']}")
    return answer
