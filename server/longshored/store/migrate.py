"""Numbered schema files, each applied once: `PRAGMA user_version` counts them."""

import sqlite3
from importlib import resources
from pathlib import Path

from ..errors import Kind, ServiceError

# "LNGS": a file of another program is refused, not migrated.
APPLICATION_ID = 0x4C4E4753


def migrations() -> list[str]:
    """The text of each schema file; the first takes version 0 to 1."""
    folder = resources.files(__package__) / "migrations"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return [file.read_text() for file in files if file.name.endswith(".sql")]


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to this program's version, or refuse the file."""
    steps = migrations()
    found = _version(connection, path)
    if found > len(steps):
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"{path} was written by a newer longshored: "
            f"its schema is {found}, this one knows up to {len(steps)}",
            path=str(path),
            found=found,
            supported=len(steps),
        )
    for number, script in enumerate(steps[found:], start=found + 1):
        _apply(connection, script, number)


def _version(connection: sqlite3.Connection, path: Path) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if owner != APPLICATION_ID and (owner or version or tables):
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"{path} is a database of another program",
            path=str(path),
            application_id=owner,
        )
    assert isinstance(version, int)
    return version


def _apply(connection: sqlite3.Connection, script: str, number: int) -> None:
    """All of a step or nothing of it, its number included."""
    connection.executescript(
        f"BEGIN IMMEDIATE;\n{script}\n"
        f"PRAGMA application_id = {APPLICATION_ID};\n"
        f"PRAGMA user_version = {number};\nCOMMIT;"
    )
