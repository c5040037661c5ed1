"""A copy of the store in one file, taken while the daemon works.

Put in place of `jobs.sqlite` it is the store as it was then. Since its future is
another one, it gets a new `history_id` when it is first opened.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ..errors import Kind, ServiceError
from .database import RESTORED, Database
from .faults import translating


def back_up(database: Database, target: Path) -> None:
    """Write the store as of now to a new file, durably."""
    _make_file(target)
    try:
        with translating("backed up"):
            _copy(database, target)
        _sync(target)
        _sync(target.parent)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _make_file(target: Path) -> None:
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError as error:
        raise ServiceError(
            Kind.TARGET_EXISTS, f"{target} is there already", target=str(target)
        ) from error
    except OSError as error:
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"Cannot write a backup to {target}: {error.strerror}",
            target=str(target),
            errno=error.errno,
        ) from error


def _copy(database: Database, target: Path) -> None:
    with (
        closing(database.connect_reader()) as source,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        source.backup(copy)
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute(RESTORED)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
