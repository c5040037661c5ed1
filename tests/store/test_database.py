"""Opening a store: who may, and what is refused."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from longshored.errors import Kind, ServiceError
from longshored.store.database import FILE, open_database
from longshored.store.migrate import migrations
from tests.job.jobs import a_job
from tests.store.stores import opened


def refused(directory: Path) -> ServiceError:
    with pytest.raises(ServiceError) as refusal:
        open_database(directory)
    assert refusal.value.kind is Kind.STORE_UNAVAILABLE
    return refusal.value


def change(directory: Path, sql: str) -> None:
    connection = sqlite3.connect(directory / FILE)
    connection.executescript(sql)
    connection.close()


def test_nobody_else_looks_into_the_state_directory(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    with opened(state):
        assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_every_start_is_a_new_epoch_of_one_history(tmp_path: Path) -> None:
    with opened(tmp_path) as first:
        one = first.database.meta
        assert first.reader.history_id == one.history_id
    with opened(tmp_path) as second:
        two = second.database.meta
    assert (one.epoch, two.epoch) == (1, 2)
    assert one.history_id == two.history_id
    assert one.page_token_key == two.page_token_key


def test_two_stores_have_two_histories(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as a, opened(tmp_path / "b") as b:
        assert a.database.meta.history_id != b.database.meta.history_id


def test_a_second_opening_names_the_pid_of_the_first(tmp_path: Path) -> None:
    with opened(tmp_path):
        assert refused(tmp_path).facts["pid"] == os.getpid()


HOLD = """
import sys
from pathlib import Path
from longshored.store.database import open_database
held = open_database(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_another_process_is_refused_until_the_first_dies(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert refused(tmp_path).facts["pid"] == holder.pid
        holder.kill()
    with opened(tmp_path) as store:
        assert store.database.meta.epoch == 2


def test_a_lock_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to("elsewhere")
    assert str(tmp_path / "lock") in str(refused(tmp_path))


def test_a_refused_opening_leaves_no_lock(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database, whatever its name" * 100)
    refused(tmp_path)
    (tmp_path / FILE).unlink()
    with opened(tmp_path):
        pass


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    garbage = b"\x00\xff" * 4096
    (tmp_path / FILE).write_bytes(garbage)
    refused(tmp_path)
    assert (tmp_path / FILE).read_bytes() == garbage


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    change(tmp_path, "PRAGMA user_version = 999")
    error = refused(tmp_path)
    assert (error.facts["found"], error.facts["supported"]) == (999, len(migrations()))


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    change(tmp_path, "CREATE TABLE cookies (name TEXT)")
    assert "another program" in refused(tmp_path).message


def test_a_cut_database_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for number in range(200):
            store.add(a_job(job_id=f"job-{number}"))
    path = tmp_path / FILE
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(ServiceError) as refusal, opened(tmp_path):
        pass
    assert refusal.value.kind is Kind.STORE_UNAVAILABLE


def test_a_flipped_bit_in_an_unfinished_job_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.add(a_job(owner="abracadabra"))
    path = tmp_path / FILE
    damaged = path.read_bytes().replace(b'"owner":"abra', b'"owner":"absa')
    path.write_bytes(damaged)
    with pytest.raises(ServiceError) as refusal, opened(tmp_path):
        pass
    assert refusal.value.kind is Kind.STORE_UNAVAILABLE


def test_a_flipped_bit_in_an_ended_job_is_found_when_it_is_read(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.add(a_job(owner="abracadabra"))
        store.add(a_job(job_id="other"))
        writer = store.database.writer
        writer.execute("UPDATE jobs SET record = replace(record, 'abra', 'absa')")
        with pytest.raises(ServiceError) as damage:
            store.reader.get("job-1")
        assert damage.value.kind is Kind.STORE_UNAVAILABLE
        assert store.reader.get("other").job_id == "other"


def test_a_missing_index_file_of_the_log_is_rebuilt(tmp_path: Path) -> None:
    """As after a crash: the log is there, the shared memory beside it is not."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with opened(tmp_path / "state") as store:
        store.add(a_job())
        for name in (FILE, f"{FILE}-wal"):
            (copy / name).write_bytes((tmp_path / "state" / name).read_bytes())
    with opened(copy) as again:
        assert again.reader.get("job-1").number == 1


def test_a_cut_log_is_recovered_to_a_whole_commit(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    with opened(tmp_path / "state") as store:
        for number in range(20):
            store.add(a_job(job_id=f"job-{number}"))
        (copy / FILE).write_bytes((tmp_path / "state" / FILE).read_bytes())
        log = (tmp_path / "state" / f"{FILE}-wal").read_bytes()
        (copy / f"{FILE}-wal").write_bytes(log[: len(log) * 2 // 3])
    with opened(copy) as again:
        head = again.reader.head()
        assert 0 < head < 20
        assert len(again.reader.changes_after(0, 100)) == head
        assert len(again.journal.run(lambda tx: dict(tx.live()))) == head


def test_a_state_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert refused(tmp_path / "file").facts["directory"] == str(tmp_path / "file")
