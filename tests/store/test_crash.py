"""kill -9 in the middle of writing: what was acknowledged is there, and all agrees."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from longshored.job.model import Job
from longshored.job.states import State
from longshored.store.change import ChangeKind
from longshored.store.query import JobQuery
from tests.store.stores import Store, opened

KILLS = 20
ROOT = Path(__file__).parents[2]


def write_and_be_killed(directory: Path, after: int) -> list[str]:
    """Start a writer, kill it when so much is acknowledged; what it acknowledged."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.writer", str(directory)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    ) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline().decode() for _ in range(after)]
        writer.kill()
        lines += writer.stdout.read().decode().splitlines(keepends=True)
    assert writer.returncode == -9, "the writer ended by itself"
    return [line for line in lines if line.endswith("\n")]


def replayed(store: Store) -> dict[str, Job]:
    """The jobs as the log alone tells them; the log is checked for gaps."""
    jobs: dict[str, Job] = {}
    changes = store.reader.changes_after(0, 1_000_000)
    assert [c.revision for c in changes] == list(range(1, store.reader.head() + 1))
    for change in changes:
        before = jobs.pop(change.job.job_id, None)
        assert change.previous == (before.state if before else None)
        if change.kind is not ChangeKind.REMOVED:
            jobs[change.job.job_id] = change.job
    return jobs


def counted(jobs: list[Job]) -> dict[tuple[str, State], int]:
    kinds = [(job.kind, job.state) for job in jobs]
    return {kind: kinds.count(kind) for kind in set(kinds)}


def check(store: Store, acknowledged: list[str]) -> None:
    (verdict,) = store.database.writer.execute("PRAGMA quick_check").fetchone()
    assert verdict == "ok"
    jobs = store.reader.list_jobs(JobQuery(), after=None, limit=1_000_000)
    assert {job.job_id: job for job in jobs} == replayed(store)
    assert store.reader.counts() == counted(jobs)
    log = {
        (change.job.job_id, change.revision): change.job.state.value
        for change in store.reader.changes_after(0, 1_000_000)
    }
    for line in acknowledged:
        job_id, revision, state = line.split()
        assert log[job_id, int(revision)] == state


@pytest.mark.slow
def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chance = random.Random(20)
    acknowledged: list[str] = []
    for kill in range(KILLS):
        acknowledged += write_and_be_killed(tmp_path, after=chance.randrange(1, 120))
        with opened(tmp_path) as store:
            assert store.database.meta.epoch == 2 * kill + 2
            check(store, acknowledged)
    assert len(acknowledged) > KILLS
