"""What the store of a daemon holds, read without the daemon: the ground truth.

A copy is read, so that looking changes nothing that a later start would find.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from longshored.store.database import FILE


@contextmanager
def opened(state: Path) -> Iterator[sqlite3.Connection]:
    """A store as it lies there, log and all."""
    with tempfile.TemporaryDirectory(prefix="ls-ground-") as directory:
        for file in state.glob(f"{FILE}*"):
            shutil.copy(file, directory)
        with closing(sqlite3.connect(Path(directory) / FILE)) as connection:
            yield connection


def states(state: Path) -> dict[str, str]:
    """The state of each job by its id."""
    with opened(state) as connection:
        return dict(connection.execute("SELECT job_id, state FROM jobs"))


def events(state: Path) -> list[tuple[int, str, str]]:
    """Every durable change in order: revision, kind, job id."""
    query = """
        SELECT revision, events.kind, job_ids.job_id FROM events
        JOIN job_ids USING (number) ORDER BY revision
    """
    with opened(state) as connection:
        return list(connection.execute(query))


def is_whole(state: Path) -> list[str]:
    """What SQLite itself finds wrong."""
    with opened(state) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else found
