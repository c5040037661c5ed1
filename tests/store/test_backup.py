"""A backup is the store of its moment, with a history of its own."""

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from longshored.errors import Kind, ServiceError
from longshored.store.backup import back_up
from longshored.store.database import FILE
from tests.job.jobs import a_job
from tests.store.stores import Store, opened


def test_a_restored_backup_has_the_jobs_and_another_history(
    store: Store, tmp_path: Path
) -> None:
    job = store.add(a_job())
    back_up(store.database.directory, tmp_path / "copy")
    store.add(a_job(job_id="later"))
    restored = tmp_path / "restored"
    restored.mkdir()
    shutil.copy(tmp_path / "copy", restored / FILE)
    with opened(restored) as again:
        history = again.reader.history_id
        assert history != store.reader.history_id
        assert again.reader.get("job-1") == job
        assert again.reader.head() == 1
    with opened(restored) as once_more:
        assert once_more.reader.history_id == history


def test_a_backup_is_for_its_owner_alone(store: Store, tmp_path: Path) -> None:
    back_up(store.database.directory, tmp_path / "copy")
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600


def test_a_backup_overwrites_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "copy").write_text("precious")
    with pytest.raises(ServiceError) as refusal:
        back_up(store.database.directory, tmp_path / "copy")
    assert refusal.value.kind is Kind.TARGET_EXISTS
    assert (tmp_path / "copy").read_text() == "precious"


def test_a_backup_that_cannot_be_written_says_why(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ServiceError) as refusal:
        back_up(store.database.directory, tmp_path / "no" / "copy")
    assert refusal.value.kind is Kind.STORE_UNAVAILABLE


def test_no_store_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="Cannot read the store"):
        back_up(tmp_path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_database_of_another_program_is_not_backed_up(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE)) as other:
        other.execute("CREATE TABLE theirs (x)")
    with pytest.raises(ServiceError, match="no store of Longshore"):
        back_up(tmp_path, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
