"""Naming who holds an image, with processes of ours and of QEMU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from longshored.block.holders import busy_error, survey
from longshored.block.locks import (
    PULL_TOP,
    READER,
    WRITER,
    ImageLock,
    LockRow,
    Permission,
)
from longshored.block.node import Identity
from longshored.errors import Kind
from tests.support.filesystems import filesystem
from tests.support.lockers import (
    SERVER,
    python_holder,
    qemu_io_holder,
    storage_daemon_holder,
)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.raw"
    path.write_bytes(bytes(65536))
    return path


@pytest.fixture
def qcow2(tmp_path: Path) -> Path:
    path = tmp_path / "image.qcow2"
    make = ["qemu-img", "create", "-q", "-f", "qcow2", str(path), "1M"]
    subprocess.run(make, check=True)
    return path


def identity(path: Path) -> Identity:
    return Identity.of(path.stat())


def test_a_foreign_holder_is_named_with_its_permissions(image: Path) -> None:
    with python_holder(image, READER.uses, READER.unshared) as pid:
        (holder,) = survey({identity(image)}).holders
    assert (holder.pid, holder.row, holder.is_self) == (pid, READER, False)
    assert "python" in holder.command


def test_several_files_are_looked_for_at_once(image: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.raw"
    second.write_bytes(b"")
    with (
        python_holder(image, READER.uses, READER.unshared) as one,
        python_holder(second, WRITER.uses, WRITER.unshared) as two,
    ):
        found = survey({identity(image), identity(second)}).holders
    assert {holder.pid: holder.identity for holder in found} == {
        one: identity(image),
        two: identity(second),
    }


def test_a_free_image_has_no_holders(image: Path) -> None:
    with image.open("rb"):
        assert survey({identity(image)}).holders == ()


def test_our_own_process_is_told_apart(image: Path) -> None:
    with image.open("rb") as file:
        ImageLock(file.fileno(), "").take(READER)
        (holder,) = survey({identity(image)}).holders
        assert holder.is_self


def test_a_holder_is_found_under_another_name_of_the_file(
    image: Path, tmp_path: Path
) -> None:
    os.link(image, tmp_path / "other")
    with python_holder(tmp_path / "other", WRITER.uses, WRITER.unshared) as pid:
        assert [h.pid for h in survey({identity(image)}).holders] == [pid]


@pytest.mark.slow
def test_a_holder_is_found_where_devices_are_made_up(tmp_path: Path) -> None:
    with filesystem("btrfs", tmp_path) as made:
        image = made.directory / "image.raw"
        image.write_bytes(b"")
        with python_holder(image, READER.uses, READER.unshared) as pid:
            assert [h.pid for h in survey({identity(image)}).holders] == [pid]


def test_the_error_names_pid_command_and_permission(image: Path) -> None:
    with python_holder(image, WRITER.uses, WRITER.unshared) as pid:
        with image.open("rb") as file:
            clashes = ImageLock(file.fileno(), str(image)).take(READER)
        error = busy_error(str(image), clashes, identity(image))
    assert error.kind is Kind.TARGET_BUSY
    assert error.message.startswith('Failed to get shared "write" lock; ')
    assert error.facts["pid"] == pid
    assert error.facts["permission"] == "shared write, shared resize"
    assert "python" in str(error.facts["command"])


def test_a_holder_that_does_not_explain_the_clash_is_not_blamed(image: Path) -> None:
    harmless = Permission.CONSISTENT_READ
    with (
        python_holder(image, harmless, 0),
        python_holder(image, READER.uses, READER.unshared) as reader,
        image.open("rb") as file,
    ):
        clashes = ImageLock(file.fileno(), str(image)).take(WRITER)
        error = busy_error(str(image), clashes, identity(image))
    assert error.facts["pid"] == reader


def test_a_stranger_is_named_before_ourselves(image: Path) -> None:
    with (
        python_holder(image, READER.uses, READER.unshared) as pid,
        image.open("rb") as own,
        image.open("rb") as file,
    ):
        ImageLock(own.fileno(), "").take(READER)
        clashes = ImageLock(file.fileno(), str(image)).take(WRITER)
        error = busy_error(str(image), clashes, identity(image))
    assert error.facts["pid"] == pid


def test_a_holder_that_has_gone_is_not_invented(image: Path) -> None:
    with python_holder(image, WRITER.uses, WRITER.unshared), image.open("rb") as file:
        clashes = ImageLock(file.fileno(), str(image)).take(READER)
    error = busy_error(str(image), clashes, identity(image))
    assert "pid" not in error.facts


_AS_NOBODY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from longshored.block.holders import survey
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(survey(set()).hidden_processes)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_processes_that_cannot_be_looked_into_are_counted() -> None:
    command = [sys.executable, "-c", _AS_NOBODY, str(SERVER)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 0


# Both ways with QEMU.


def qemu(*command: str) -> tuple[bool, str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stderr


ROWS = {
    "writer": WRITER,
    "pull top": PULL_TOP,
    "reader": READER,
    "sharing reader": LockRow(Permission.CONSISTENT_READ, Permission.NONE),
}
COMMANDS = {
    "info": ("qemu-img", "info"),
    "info -U": ("qemu-img", "info", "-U"),
    "read": ("qemu-io", "-r", "-c", "read 0 512"),
    "write": ("qemu-io", "-c", "write 0 512"),
}


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("row", "allowed"),
    [
        ("writer", {"info -U"}),
        ("pull top", {"info -U"}),
        ("reader", {"info", "info -U", "read"}),
        ("sharing reader", {"info", "info -U", "read", "write"}),
    ],
)
def test_qemu_keeps_out_of_what_we_hold(
    qcow2: Path, row: str, allowed: set[str]
) -> None:
    with qcow2.open("rb") as file:
        assert ImageLock(file.fileno(), "").take(ROWS[row]) == ()
        results = {name: qemu(*cmd, str(qcow2)) for name, cmd in COMMANDS.items()}
    assert {name for name, (ok, _) in results.items() if ok} == allowed
    for ok, text in results.values():
        assert ok or '"write" lock' in text


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("write", "ours", "free"),
    [
        (True, READER, False),
        (True, WRITER, False),
        (False, READER, True),
        (False, WRITER, False),
        (False, PULL_TOP, False),
    ],
)
def test_we_keep_out_of_what_qemu_holds_and_name_it(
    qcow2: Path, write: bool, ours: LockRow, free: bool
) -> None:
    with (
        qemu_io_holder(qcow2, "qcow2", write=write) as pid,
        qcow2.open("rb") as file,
    ):
        clashes = ImageLock(file.fileno(), str(qcow2)).take(ours)
        assert (clashes == ()) is free
        if clashes:
            error = busy_error(str(qcow2), clashes, identity(qcow2))
            assert (error.facts["pid"], error.facts["command"]) == (pid, "qemu-io")


@pytest.mark.qemu
def test_an_idle_machine_holds_the_writer_row_and_is_named(qcow2: Path) -> None:
    with storage_daemon_holder(qcow2) as pid, qcow2.open("rb") as file:
        (holder,) = survey({identity(qcow2)}).holders
        assert (holder.pid, holder.row) == (pid, WRITER)
        assert holder.command == "qemu-storage-daemon"
        assert ImageLock(file.fileno(), "").take(READER) != ()


@pytest.mark.qemu
def test_a_machine_cannot_open_what_we_pull(qcow2: Path) -> None:
    with qcow2.open("rb") as file:
        assert ImageLock(file.fileno(), "").take(PULL_TOP) == ()
        disk = f"driver=qcow2,node-name=d,file.driver=file,file.filename={qcow2}"
        ok, text = qemu("qemu-storage-daemon", "--blockdev", disk)
    assert not ok
    assert '"write" lock' in text
