"""A process that changes jobs as fast as it can and says what was acknowledged.

Run by test_crash.py, and killed by it. A line per acknowledged change: the job's
id, its revision and its state.
"""

import os
import sys
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from longshored.clock import SystemClock
from longshored.job import life
from longshored.job.model import Job
from longshored.store.database import open_database
from longshored.store.journal import Journal
from longshored.store.transaction import Transaction
from tests.job.jobs import ASK, WORKER, a_job

THREADS = 4


def said(future: "Future[Job]") -> Job:
    job = future.result()
    # One write of one line: threads cannot mix, and a kill cannot cut it in a pipe.
    line = f"{job.job_id} {job.revision} {job.state.value}\n"
    os.write(1, line.encode())
    return job


def live_through(journal: Journal, name: str) -> None:
    """The life of one job, step by acknowledged step; every third is removed."""
    job = said(journal.submit(lambda tx: tx.add(a_job(job_id=name))))
    job = said(journal.submit(lambda tx: tx.put(life.started(job, WORKER, tx.now))))
    journal.run(lambda tx: tx.save_checkpoint(job.number, 1, b"x" * 1000))
    job = said(journal.submit(lambda tx: tx.put(life.cancel(job, ASK))))
    job = said(journal.submit(lambda tx: tx.put(life.ended(job, tx.now))))
    if job.number % 3 == 0:
        journal.run(lambda tx: tx.remove(job))


def work(journal: Journal, prefix: str) -> None:
    number = 0
    while True:
        live_through(journal, f"{prefix}-{number}")
        number += 1


def nothing(_: Transaction) -> None:
    """Before each commit."""


def main(directory: str) -> None:
    database = open_database(Path(directory))
    journal = Journal(database, SystemClock())
    journal.start(before_commit=nothing, on_commit=lambda _: None)
    for index in range(THREADS):
        prefix = f"e{database.meta.epoch}-t{index}"
        Thread(target=work, args=(journal, prefix)).start()


if __name__ == "__main__":
    main(sys.argv[1])
