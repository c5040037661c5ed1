"""Locks read from a /proc of files and links, some of which lead nowhere."""

import os
from pathlib import Path

from longshored.block.holders import survey
from longshored.block.locks import READER, LockRow
from longshored.block.node import Identity
from longshored.block.proclocks import ProcessLocks, locks_of
from tests.support.needs import need

IMAGE = Identity(os.makedev(0xFE, 1), 77)
ELSEWHERE = Identity(os.makedev(0, 0x2B), 77)
NOTHING_FOUND = ProcessLocks({}, hides=False)
HIDDEN = ProcessLocks({}, hides=True)


def fdinfo(file: Identity, row: LockRow = READER) -> str:
    place = f"{os.major(file.device):02x}:{os.minor(file.device):02x}:{file.inode}"
    locks = [
        f"lock:\t{number}: OFDLCK ADVISORY  READ -1 {place} {byte} {byte}\n"
        for number, byte in enumerate(sorted(row.offsets()), 1)
    ]
    return "pos:\t0\nflags:\t02100002\nmnt_id:\t27\nino:\t77\n" + "".join(locks)


class Process:
    """A process with descriptors. Who asks for the file of one fails, as on a mount
    whose server is dead, unless the file is given."""

    def __init__(self, proc: Path, pid: int = 1) -> None:
        self.directory = proc / str(pid)
        for name in ("fd", "fdinfo"):
            (self.directory / name).mkdir(parents=True)
        (self.directory / "cmdline").write_text("/usr/bin/qemu\0-secret\0")

    def has(self, fd: int, info: str, file: Path | None = None) -> "Process":
        (self.directory / f"fdinfo/{fd}").write_text(info)
        link = self.directory / f"fd/{fd}"
        link.symlink_to(file or link)
        return self

    def mounts(self, kind: str, device: int) -> "Process":
        numbers = f"{os.major(device)}:{os.minor(device)}"
        line = f"27 1 {numbers} / /images rw,relatime shared:1 - {kind} source rw\n"
        (self.directory / "mountinfo").write_text(line)
        return self

    def locks(self, *files: Identity) -> ProcessLocks:
        return locks_of(str(self.directory), set(files))


def test_a_lock_tells_its_file_without_a_look_at_it(tmp_path: Path) -> None:
    process = Process(tmp_path).has(3, fdinfo(IMAGE))
    assert process.locks(IMAGE) == ProcessLocks({IMAGE: READER}, hides=False)


def test_a_file_that_nobody_locks_is_not_looked_at(tmp_path: Path) -> None:
    process = Process(tmp_path).has(3, "pos:\t0\nmnt_id:\t27\n")
    assert process.locks(IMAGE, Identity(IMAGE.device, 0)) == NOTHING_FOUND


def test_locks_of_other_bytes_are_none(tmp_path: Path) -> None:
    info = fdinfo(IMAGE).replace("OFDLCK", "POSIX ")
    assert Process(tmp_path).has(3, info).locks(IMAGE) == NOTHING_FOUND


def test_a_lock_on_a_server_far_away_is_that_of_another_file(tmp_path: Path) -> None:
    process = Process(tmp_path).has(3, fdinfo(ELSEWHERE))
    assert process.mounts("nfs4", ELSEWHERE.device).locks(IMAGE) == NOTHING_FOUND


def test_a_file_whose_device_is_made_up_is_known_by_its_status(tmp_path: Path) -> None:
    file = tmp_path / "image"
    file.write_bytes(b"")
    image = Identity.of(file.stat())
    seen = Identity(ELSEWHERE.device, image.inode)
    process = Process(tmp_path).has(3, fdinfo(seen), file)
    found = process.mounts("btrfs", seen.device).locks(image)
    assert found == ProcessLocks({image: READER}, hides=False)


def test_a_block_device_is_known_by_its_status(tmp_path: Path) -> None:
    nodes = [path for path in Path("/dev").iterdir() if path.is_block_device()]
    need(bool(nodes), "a block device")
    device = Identity.of(nodes[0].stat())
    process = Process(tmp_path).has(3, fdinfo(ELSEWHERE), nodes[0])
    found = process.mounts("devtmpfs", ELSEWHERE.device).locks(device)
    assert found == ProcessLocks({device: READER}, hides=False)


def test_a_mount_that_cannot_be_seen_hides_what_it_may(tmp_path: Path) -> None:
    process = Process(tmp_path).has(3, fdinfo(ELSEWHERE))
    process.mounts("btrfs", IMAGE.device)
    assert process.locks(IMAGE) == HIDDEN
    assert process.locks(Identity(IMAGE.device, 78)) == NOTHING_FOUND


def test_a_status_that_cannot_be_had_hides_the_file(tmp_path: Path) -> None:
    process = Process(tmp_path).has(3, fdinfo(ELSEWHERE))
    assert process.mounts("btrfs", ELSEWHERE.device).locks(IMAGE) == HIDDEN


def test_a_descriptor_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    process = Process(tmp_path).has(4, fdinfo(IMAGE))
    (process.directory / "fdinfo/3").mkdir()
    assert process.locks(IMAGE) == ProcessLocks({IMAGE: READER}, hides=True)


def test_what_has_gone_holds_and_hides_nothing(tmp_path: Path) -> None:
    process = Process(tmp_path)
    (process.directory / "fdinfo/3").symlink_to(tmp_path / "closed")
    assert process.locks(IMAGE) == NOTHING_FOUND
    assert locks_of(str(tmp_path / "ended"), {IMAGE}) == NOTHING_FOUND


def test_a_process_that_cannot_be_looked_into_hides_itself(tmp_path: Path) -> None:
    (tmp_path / "2").mkdir()
    (tmp_path / "2/fdinfo").write_text("not a directory")
    Process(tmp_path, 3).has(3, fdinfo(IMAGE))
    found = survey({IMAGE}, str(tmp_path))
    assert [(h.pid, h.command, h.row) for h in found.holders] == [(3, "qemu", READER)]
    assert found.hidden_processes == 1
