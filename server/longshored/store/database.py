"""The state directory and the SQLite file in it: who may open it, and how.

One connection writes, and it alone checkpoints the write-ahead log; readers are
read-only. That, beside being simple, keeps SQLite before 3.51.3 away from its
WAL-reset bug (it needs two connections that write or checkpoint).
"""

import os
import secrets
import socket
import sqlite3
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import Kind, ServiceError
from .faults import translated
from .lock import take_lock
from .migrate import migrate

FILE = "jobs.sqlite"

_WRITER = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 2000;
PRAGMA journal_size_limit = 16777216;
PRAGMA busy_timeout = 250;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA temp_store = MEMORY;
PRAGMA cache_size = -8192;
"""

_READER = """
PRAGMA query_only = ON;
PRAGMA wal_autocheckpoint = 0;
PRAGMA busy_timeout = 5000;
PRAGMA cell_size_check = ON;
PRAGMA trusted_schema = OFF;
PRAGMA temp_store = MEMORY;
"""


@dataclass(frozen=True, slots=True)
class Meta:
    """What the store says of itself. `history_id` is new with every new store."""

    history_id: str
    epoch: int  # +1 with every start: the claim of this daemon
    host: str
    page_token_key: bytes


@dataclass(frozen=True, slots=True)
class Database:
    """An open store. `writer` is for the journal alone."""

    directory: Path
    meta: Meta
    writer: sqlite3.Connection
    lock: int

    @property
    def path(self) -> Path:
        return self.directory / FILE

    @property
    def log_file(self) -> Path:
        """SQLite's write-ahead log."""
        return self.directory / f"{FILE}-wal"

    def connect_reader(self) -> sqlite3.Connection:
        return connect_reader(self.path)

    def close(self) -> None:
        self.writer.close()
        os.close(self.lock)


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing; also beside the daemon of another process."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False
    )
    connection.executescript(_READER)
    return connection


def open_database(directory: Path, *, host: str | None = None) -> Database:
    """Open the store of a state directory, or make it; begin a new epoch.

    Raises ServiceError(STORE_UNAVAILABLE) if another process has it, or if it
    is damaged, of a newer schema or not ours; NO_SPACE if the disk is full.
    """
    make_private(directory)
    lock = take_lock(directory)
    try:
        return _open_locked(directory, lock, host or socket.gethostname())
    except BaseException:
        os.close(lock)
        raise


def make_private(directory: Path) -> None:
    """The directory exists, is ours, and nobody else looks into it."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as error:
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"Cannot use {directory} as state directory: {error.strerror}",
            directory=str(directory),
            errno=error.errno,
        ) from error


def _open_locked(directory: Path, lock: int, host: str) -> Database:
    path = directory / FILE
    try:
        writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translated(error, "opened") from error
    try:
        writer.executescript(_WRITER)
        _check_write_ahead(writer, path)
        migrate(writer, path)
        meta = _begin_epoch(writer, host)
        return Database(directory, meta, writer, lock)
    except sqlite3.Error as error:
        writer.close()
        raise translated(error, "opened") from error
    except BaseException:
        writer.close()
        raise


def _check_write_ahead(writer: sqlite3.Connection, path: Path) -> None:
    (mode,) = writer.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"The file system of {path} cannot hold a write-ahead log",
            path=str(path),
            journal_mode=str(mode),
        )


# Set in a copy: what comes after is another history than that of the original.
RESTORED = "INSERT OR REPLACE INTO meta (key, value) VALUES ('restored', 1)"

_NEW_STORE = "INSERT INTO meta (key, value) VALUES (?, ?)"
_NEW_EPOCH = "UPDATE meta SET value = value + 1 WHERE key = 'epoch'"
_NEW_HISTORY = "UPDATE meta SET value = ? WHERE key = 'history_id'"
_NOT_RESTORED = "DELETE FROM meta WHERE key = 'restored'"
_HERE = "UPDATE meta SET value = ? WHERE key = 'host'"


def _begin_epoch(writer: sqlite3.Connection, host: str) -> Meta:
    writer.execute("BEGIN IMMEDIATE")
    if writer.execute("SELECT 1 FROM meta").fetchone() is None:
        first = Meta(uuid.uuid4().hex, 0, host, secrets.token_bytes(32))
        writer.executemany(_NEW_STORE, asdict(first).items())
    if writer.execute(_NOT_RESTORED).rowcount:
        writer.execute(_NEW_HISTORY, (uuid.uuid4().hex,))
    writer.execute(_NEW_EPOCH)
    writer.execute(_HERE, (host,))
    values = dict(writer.execute("SELECT key, value FROM meta").fetchall())
    writer.execute("COMMIT")
    return Meta(**values)
