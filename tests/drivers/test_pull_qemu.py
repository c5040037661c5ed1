"""Pulls of chains that qemu-img made, judged by qemu-img: copied, and shared."""

import random
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from longshored.drivers.base import Cancelled
from longshored.errors import Kind, ServiceError
from longshored.units import KiB, MiB
from tests.support.filesystems import filesystem
from tests.support.pulls import SMALL, Puller, Script, cancel
from tests.support.verdict import qemu_backing, qemu_check, qemu_map, qemu_same

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

SIZE = 8 * MiB


COPIED = "copied"


@pytest.fixture(params=[COPIED, "xfs", "btrfs"])
def puller(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Puller]:
    """One that copies every byte, and one on each file system that shares blocks."""
    if request.param == COPIED:
        made = Puller(tmp_path)
        yield made
        made.close()
        return
    with filesystem(request.param, tmp_path) as disk:
        made = Puller(disk.directory, replace(SMALL, reflinks=True))
        yield made
        made.close()


def shares(puller: Puller) -> bool:
    return puller.tuning.reflinks


def qemu(*command: str | Path) -> None:
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


def overlay(path: Path, backing: str, format_: str, options: str = "") -> None:
    extra = ["-o", options] if options else []
    qemu(
        "qemu-img", "create", "-f", "qcow2", "-b", backing, "-F", format_, *extra, path
    )


def write(path: Path, *words: str) -> None:
    qemu("qemu-io", "-f", "qcow2", *(w for word in words for w in ("-c", word)), path)


def noise(path: Path, length: int = SIZE) -> None:
    data = bytearray(random.Random(path.name).randbytes(length))
    data[length // 4 : length // 2] = bytes(length // 4)
    path.write_bytes(data)


def check_pull(puller: Puller, base: str | None = None) -> None:
    """Before, halfway and after: valid, and the same bytes as a copy kept aside."""
    top = puller.directory / "top.qcow2"
    before = puller.directory / "before.raw"
    qemu("qemu-img", "convert", "-f", "qcow2", "-O", "raw", top, before)
    script = Script(chunk=256 * KiB, wish_at=4, at_checkpoint=cancel)
    with pytest.raises(Cancelled):
        puller.pull(base=base, script=script)
    assert qemu_check(top) == 0
    assert qemu_same(before, top, "raw")
    puller.saved = None
    puller.pull(base=base)
    assert qemu_check(top) == 0
    assert qemu_same(before, top, "raw")
    assert qemu_backing(top) == ((base, "raw") if base else (None, None))


def make_base(directory: Path) -> None:
    noise(directory / "base.raw")


@pytest.mark.parametrize(
    "options",
    [
        "cluster_size=512",
        "cluster_size=4k,refcount_bits=1",
        "cluster_size=64k,refcount_bits=64,lazy_refcounts=on",
        "cluster_size=2M",
        "cluster_size=64k,compat=0.10",
        "cluster_size=16k,extended_l2=on",
    ],
)
@pytest.mark.parametrize("base", [None, "base.raw"])
def test_tops_of_every_kind(puller: Puller, options: str, base: str | None) -> None:
    make_base(puller.directory)
    overlay(puller.directory / "mid.qcow2", "base.raw", "raw", "cluster_size=8k")
    write(
        puller.directory / "mid.qcow2",
        *(f"write -P {n} {n * 200}k 33k" for n in range(1, 20)),
        "write -z 2M 1M",
        "write -P 0 3M 100k",
        "write -P 9 5M 64k",
    )
    overlay(puller.directory / "top.qcow2", "mid.qcow2", "qcow2", options)
    top_writes = [f"write -P {n} {n * 300}k 2k" for n in range(1, 12)]
    write(puller.directory / "top.qcow2", *top_writes, "write -P 7 1M 128k")
    check_pull(puller, base)


def test_compressed_links(puller: Puller) -> None:
    make_base(puller.directory)
    qemu(
        *("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2"),
        *(puller.directory / "base.raw", puller.directory / "mid.qcow2"),
    )
    overlay(puller.directory / "top.qcow2", "mid.qcow2", "qcow2")
    check_pull(puller)


def test_a_top_with_snapshots_keeps_them(puller: Puller) -> None:
    make_base(puller.directory)
    top = puller.directory / "top.qcow2"
    overlay(top, "base.raw", "raw")
    write(top, "write -P 1 0 300k", "write -P 2 3M 64k")
    qemu("qemu-img", "snapshot", "-c", "one", top)
    write(top, "write -P 3 64k 64k")
    shown = puller.directory / "shown.raw"
    qemu("qemu-img", "convert", "-l", "one", "-O", "raw", top, shown)
    assert refused(puller).facts["snapshots"] == "one"
    (obstacle,) = puller.driver.plan(puller.spec()).obstacles
    assert obstacle.kind is Kind.TARGET_WRONG_STATE
    puller.allow_snapshot_loss = True
    check_pull(puller)
    qemu("qemu-img", "snapshot", "-a", "one", top)
    assert qemu_check(top) == 0
    assert not qemu_same(shown, top, "raw"), "there was a loss to be allowed"


def test_a_snapshot_without_a_name_is_not_passed_over(puller: Puller) -> None:
    make_base(puller.directory)
    top = puller.directory / "top.qcow2"
    overlay(top, "base.raw", "raw")
    qemu("qemu-img", "snapshot", "-c", "", top)
    assert refused(puller).facts["snapshots"] == "1"


def test_names_of_snapshots_are_tamed_and_few(puller: Puller) -> None:
    make_base(puller.directory)
    top = puller.directory / "top.qcow2"
    overlay(top, "base.raw", "raw")
    for name in ("\x1b[2J", "b", "c", "d", "e", "f", "g"):
        qemu("qemu-img", "snapshot", "-c", name, top)
    assert refused(puller).facts["snapshots"] == "\\x1b[2J, b, c, d, e and 2 more"


def test_a_snapshot_that_shows_nothing_of_the_images_below_stops_no_pull(
    puller: Puller,
) -> None:
    make_base(puller.directory)
    top = puller.directory / "top.qcow2"
    overlay(top, "base.raw", "raw")
    write(top, f"write -P 1 0 {SIZE}")
    qemu("qemu-img", "snapshot", "-c", "full", top)
    shown = puller.directory / "shown.raw"
    qemu("qemu-img", "convert", "-l", "full", "-O", "raw", top, shown)
    write(top, "write -P 3 64k 64k")
    puller.pull()
    qemu("qemu-img", "snapshot", "-a", "full", top)
    assert qemu_same(shown, top, "raw")


def test_a_snapshot_keeps_what_it_shows_of_a_base_that_stays(puller: Puller) -> None:
    make_base(puller.directory)
    overlay(puller.directory / "mid.qcow2", "base.raw", "raw")
    top = puller.directory / "top.qcow2"
    overlay(top, "mid.qcow2", "qcow2")
    write(top, "write -P 1 0 300k")
    qemu("qemu-img", "snapshot", "-c", "one", top)
    shown = puller.directory / "shown.raw"
    qemu("qemu-img", "convert", "-l", "one", "-O", "raw", top, shown)
    puller.pull(base="base.raw")
    qemu("qemu-img", "snapshot", "-a", "one", top)
    assert qemu_same(shown, top, "raw")


def refused(puller: Puller) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        puller.driver.nodes(puller.spec())
    with pytest.raises(ServiceError) as again:
        puller.pull()
    assert again.value.message == caught.value.message
    assert caught.value.kind is Kind.TARGET_WRONG_STATE
    return caught.value


def test_a_whole_pull_leaves_holes_where_the_chain_has_none(puller: Puller) -> None:
    make_base(puller.directory)
    overlay(puller.directory / "top.qcow2", "base.raw", "raw")
    if shares(puller):  # data is shared unseen, zeros and all
        qemu("fallocate", "--dig-holes", puller.directory / "base.raw")
    puller.pull()
    data = [
        (run["start"], run["length"])
        for run in qemu_map(puller.directory / "top.qcow2")
        if run["data"]
    ]
    assert data == [(0, SIZE // 4), (SIZE // 2, SIZE // 2)]


def test_a_base_of_whole_blocks_is_shared_as_a_whole(puller: Puller) -> None:
    data = SIZE // 4 * 3
    make_base(puller.directory)
    qemu("fallocate", "--dig-holes", puller.directory / "base.raw")
    overlay(puller.directory / "top.qcow2", "base.raw", "raw")
    plan = puller.driver.plan(puller.spec())
    puller.pull()
    progress = puller.progress()
    moved = (progress.read, progress.written, progress.reflinked)
    assert moved == ((0, 0, data) if shares(puller) else (data, data, 0))
    assert (plan.read, plan.write, plan.reflink) == moved
    assert (plan.space_needed < data) == shares(puller)


def test_who_writes_to_what_is_shared_writes_to_one_image(puller: Puller) -> None:
    make_base(puller.directory)
    top, base = puller.directory / "top.qcow2", puller.directory / "base.raw"
    overlay(top, "base.raw", "raw")
    before = base.read_bytes()
    puller.pull()
    write(top, "write -P 7 0 1M")
    assert base.read_bytes() == before
    base.write_bytes(bytes(SIZE))
    qemu("qemu-io", "-f", "qcow2", "-c", "read -P 7 0 1M", top)
    expected = b"\7" * MiB + before[MiB:]
    (puller.directory / "expected.raw").write_bytes(expected)
    assert qemu_same(puller.directory / "expected.raw", top, "raw")
    assert qemu_check(top) == 0


def test_a_base_in_another_directory_is_named_from_the_top(puller: Puller) -> None:
    (puller.directory / "deep" / "er").mkdir(parents=True)
    noise(puller.directory / "base.raw")
    overlay(puller.directory / "deep" / "mid.qcow2", "../base.raw", "raw")
    overlay(puller.directory / "deep" / "er" / "top.qcow2", "../mid.qcow2", "qcow2")
    top = puller.directory / "deep" / "er" / "top.qcow2"
    result = puller.pull("deep/er/top.qcow2", "base.raw")
    assert result.backing_name == "../../base.raw"
    assert qemu_backing(top) == ("../../base.raw", "raw")
    assert qemu_check(top) == 0


def test_a_top_that_a_process_has_open_is_busy_with_its_pid(puller: Puller) -> None:
    make_base(puller.directory)
    top = puller.directory / "top.qcow2"
    overlay(top, "base.raw", "raw")
    holder = subprocess.Popen(
        ["qemu-io", "-f", "qcow2", str(top)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        holder.stdin.write("length\n")
        holder.stdin.flush()
        holder.stdout.readline()
        (obstacle,) = puller.driver.plan(puller.spec()).obstacles
        assert obstacle.facts["pid"] == holder.pid
        assert obstacle.facts["command"] == "qemu-io"
    finally:
        holder.communicate("quit\n", timeout=10)
