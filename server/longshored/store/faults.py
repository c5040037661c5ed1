"""What a failure of SQLite means to a caller."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Kind, ServiceError

# The shared memory beside the log is a file too, and grows into the same full disk.
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})


def is_disk_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) in _FULL


def translated(error: sqlite3.Error, doing: str) -> ServiceError:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if is_disk_full(error):
        return ServiceError(
            Kind.NO_SPACE, f"No space left for the store while it {doing}", sqlite=name
        )
    return ServiceError(
        Kind.STORE_UNAVAILABLE,
        f"The store failed while it {doing}: {error}",
        sqlite=name,
    )


@contextmanager
def translating(doing: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise translated(error, doing) from error
