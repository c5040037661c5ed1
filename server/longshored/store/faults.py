"""What a failure of SQLite means to a caller."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import Kind, ServiceError

# The shared memory beside the log is a file too, and grows into the same full disk.
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})


# Another program holds the database, longer than we wait: it may soon let go.
_TAKEN = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_PRIMARY = 0xFF  # the bits of the code that all its kinds share


def is_passing(error: sqlite3.Error) -> bool:
    """What was to be written is not, and the next write may succeed."""
    code = _code(error)
    return _is_full(code) or code & _PRIMARY in _TAKEN


def _is_full(code: int) -> bool:
    return code in _FULL


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0)


def translated(error: sqlite3.Error, doing: str) -> ServiceError:
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    if _is_full(_code(error)):
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
