"""A copy of the store in one file, taken while the daemon works.

Put in place of `jobs.sqlite` it is the store as it was then. Since its future is
another one, it gets a new `history_id` when it is first opened. Taking one needs
no daemon and disturbs none: SQLite's snapshot is that of one moment.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from ..errors import Kind, ServiceError
from .database import FILE, RESTORED, connect_reader
from .faults import translating
from .migrate import APPLICATION_ID

_OWNER = "PRAGMA application_id"


def back_up(directory: Path, target: Path) -> None:
    """Write the store of a state directory, as of now, to a new file, durably."""
    source = directory / FILE
    _check_readable(source)
    _make_file(target)
    try:
        with translating("backed up"):
            _copy(source, target)
        _sync(target)
        _sync(target.parent)
    except BaseException:
        target.unlink(missing_ok=True)
        raise


def _check_readable(source: Path) -> None:
    """A new, empty database in its place would be a backup of nothing."""
    try:
        with source.open("rb"):
            return
    except OSError as error:
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"Cannot read the store {source}: {error.strerror}",
            path=str(source),
            errno=error.errno,
        ) from error


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


def _copy(path: Path, target: Path) -> None:
    with (
        closing(connect_reader(path)) as source,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        if source.execute(_OWNER).fetchone() != (APPLICATION_ID,):
            raise sqlite3.DatabaseError(f"{path} is no store of Longshore")
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
