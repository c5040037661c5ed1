"""What the store alone does: changes a second, the time of one, records, reads.

    python -m bench.store [--quick] [--directory DIR]

Changes go through the real journal, each durable when it is counted.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from longshored.clock import SystemClock
from longshored.job import life
from longshored.job.model import Job, Worker
from longshored.job.nodes import Node, Permission, Role
from longshored.job.spec import ImageRef, PullSpec
from longshored.store.database import open_database
from longshored.store.journal import Journal
from longshored.store.query import JobQuery
from longshored.store.reader import Reader
from longshored.store.record import decode, encode
from longshored.store.transaction import Transaction

from .report import Report, Run, machine, milliseconds, percentile

THREADS = 8
WORKER = Worker("job", 1, 1)


@dataclass(frozen=True, slots=True)
class Opened:
    journal: Journal
    reader: Reader


def measure(run: Run) -> None:
    run.report.title("store: changes, each durable; records; reads")
    _records(run)
    with _opened(run.directory / "store") as store:
        _one_at_a_time(run, store)
        _many(run, store, "submitted ahead", _submit_all)
        _many(run, store, "one after another", _run_all)
        _lists(run, store)


@contextmanager
def _opened(directory: Path) -> Iterator[Opened]:
    database = open_database(directory)
    journal = Journal(database, SystemClock())
    journal.start(before_commit=lambda _: None, on_commit=lambda _: None)
    reader = Reader(database)
    try:
        yield Opened(journal, reader)
    finally:
        journal.stop()
        reader.close()
        database.close()


def _draft(name: str) -> Job:
    """A pull of a chain of three, as a client would ask for."""
    uris = [f"/images/{name}-{link}.qcow2" for link in range(3)]
    read, write = Permission.CONSISTENT_READ, Permission.WRITE_UNCHANGED
    nodes = tuple(
        Node(f"fd00:{uri}", Role.TOP, uri, read | write, read, "qcow2", "fd00")
        for uri in uris
    )
    job = Job(
        number=0,
        uid=f"018f3c2a-0000-7000-8000-{name:0>12}",
        job_id=name,
        kind="block.pull",
        spec=PullSpec(ImageRef(uris[0], "qcow2")),
        create_time=1,
        owner="bench",
        host="bench",
        labels={"tenant": name[-2:]},
        nodes=nodes,
    )
    return life.create(job, 1)


def _add_and_start(name: str) -> Callable[[Transaction], Job]:
    draft = _draft(name)
    return lambda tx: tx.put(life.started(tx.add(draft), WORKER, tx.now))


def _one_at_a_time(run: Run, store: Opened) -> None:
    times = []
    for index in range(run.of(2000, 50)):
        body = _add_and_start(f"single-{index}")
        began = time.perf_counter()
        store.journal.run(body)
        times.append(time.perf_counter() - began)
    run.report.say(f"add and put, alone: {milliseconds(times)}")
    run.report.at_most(
        "add and put, alone, p50", percentile(times, 50) * 1e3, 0.6, " ms"
    )


Work = Callable[[Journal, list[Callable[[Transaction], Job]]], None]


def _submit_all(journal: Journal, bodies: list[Callable[[Transaction], Job]]) -> None:
    for future in [journal.submit(body) for body in bodies]:
        future.result()


def _run_all(journal: Journal, bodies: list[Callable[[Transaction], Job]]) -> None:
    for body in bodies:
        journal.run(body)


def _many(run: Run, store: Opened, how: str, work: Work) -> None:
    """From eight threads: the time of making the drafts is not counted."""
    count = run.of(16_000, 80)
    prefix = how.replace(" ", "-")
    bodies = [_add_and_start(f"{prefix}-{index}") for index in range(count)]
    threads = [
        Thread(target=work, args=(store.journal, bodies[index::THREADS]))
        for index in range(THREADS)
    ]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = count / (time.perf_counter() - began)
    each = (time.process_time() - cpu) / count * 1e6
    work_name = f"add and put, {THREADS} threads, {how}"
    run.report.say(f"{work_name}: {rate:,.0f}/s, {each:.0f} us of CPU each")
    if work is _submit_all:
        run.report.at_least(f"add and put, {how}", rate, 15_000, "/s")


def _records(run: Run) -> None:
    job = life.started(_draft("record"), WORKER, 1)
    text = encode(job)
    count = run.of(20_000, 100)
    writing = _each(count, lambda: encode(life.waits(job, life.AFTER_RESTART)))
    reading = _each(count, lambda: decode(text))
    run.report.say(f"record of {len(text)} bytes: read {reading:.1f} us")
    run.report.at_most("write a record", writing, 30, " us")


def _each(count: int, call: Callable[[], object]) -> float:
    """Microseconds of CPU a call."""
    began = time.thread_time()
    for _ in range(count):
        call()
    return (time.thread_time() - began) / count * 1e6


def _lists(run: Run, store: Opened) -> None:
    query = JobQuery(labels={"tenant": "42"})
    times = []
    for _ in range(run.of(500, 5)):
        began = time.perf_counter()
        store.reader.list_jobs(query, after=None, limit=100)
        times.append(time.perf_counter() - began)
    run.report.say(f"a page of 100 by label, as jobs: {milliseconds(times)}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.store", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--directory", type=Path)
    arguments = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="b", dir=arguments.directory) as name:
        print(machine(Path(name)))
        measure(Run(Path(name), report, arguments.quick))
    report.summary()


if __name__ == "__main__":
    main()
