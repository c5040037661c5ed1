"""Another backing file, or none: what changes in the header, and what must not."""

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from longshored.block.node import Mode
from longshored.block.qcow2.check import check
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.extensions import FEATURE_NAMES, Extension
from longshored.block.qcow2.headerfile import read_header
from longshored.block.qcow2.layout import Header, encode_header
from longshored.block.qcow2.rewrite import REWRITE_POINTS, rewrite_backing
from longshored.errors import Kind, ServiceError
from longshored.units import KiB
from tests.support.overlays import guest_bytes, memory_node, new_image, open_recorded
from tests.support.qcow2 import make, opened, qemu_img, qemu_info
from tests.support.recorder import RecordedFile, crash_states

LONG = "images/" + "x" * 700
OVERLAY = CreateOptions(
    size=64 * KiB, cluster_size=4 * KiB, backing_file="base", backing_format="raw"
)
CHANGES = {
    "removed": ("base", None),
    "replaced": ("base", "other.qcow2"),
    "grown past the first sector": ("base", LONG),
    "shrunk into the first sector": (LONG, "base"),
    "long for long": (LONG, LONG[::-1]),
    "long removed": (LONG, None),
    "added": (None, "base"),
    "long added": (None, LONG),
}
EVERY_CHANGE = pytest.mark.parametrize(
    ("old", "new"), CHANGES.values(), ids=CHANGES.keys()
)


def image(name: str | None, **options: Any) -> RecordedFile:
    format_ = None if name is None else "raw"
    changed = replace(OVERLAY, backing_file=name, backing_format=format_, **options)
    host = new_image(changed)
    host.history.clear()
    return host


def rewrite(host: RecordedFile, name: str | None) -> None:
    rewrite_backing(open_recorded(host), name, None if name is None else "qcow2")


@pytest.mark.parametrize("version", [2, 3])
@EVERY_CHANGE
def test_the_header_names_what_it_was_told(
    old: str | None, new: str | None, version: int
) -> None:
    host = image(old, version=version)
    rewrite(host, new)
    header = read_header(host)
    assert header.backing_file == new
    assert header.backing_format == (None if new is None else "qcow2")
    assert check(host).clean


@EVERY_CHANGE
def test_a_power_cut_leaves_the_old_backing_or_the_new_one(
    old: str | None, new: str | None
) -> None:
    host = image(old)
    before = bytes(host.content)
    rewrite(host, new)
    legal = {(old, None if old is None else "raw")}
    legal.add((new, None if new is None else "qcow2"))
    for state in crash_states(before, host.history, Random(1), 20):
        header = read_header(RecordedFile(bytearray(state)))
        assert (header.backing_file, header.backing_format) in legal


def test_where_two_names_do_not_fit_each_write_leaves_one_of_them() -> None:
    host = image(LONG, cluster_size=1 * KiB)
    before = bytes(host.content)
    rewrite(host, LONG[::-1])
    for state in crash_states(before, host.history, Random(1), 0):
        header = read_header(RecordedFile(bytearray(state)))
        assert header.backing_file in (LONG, LONG[::-1])
    assert read_header(host).backing_file == LONG[::-1]


def test_a_cluster_of_one_sector_is_rewritten_at_once() -> None:
    host = image("base", cluster_size=512)
    rewrite(host, "other")
    assert read_header(host).backing_file == "other"


def test_foreign_extensions_and_trailing_bytes_stay() -> None:
    host = image("base")
    header = foreign(read_header(host))
    host.content[: 4 * KiB] = encode_header(header).ljust(4 * KiB, b"\0")
    rewrite(host, None)
    after = read_header(host)
    assert after.extension(0x12345678) == b"kept as it is"
    assert after.extension(FEATURE_NAMES) == header.extension(FEATURE_NAMES)
    assert after.trailing == header.trailing


def foreign(header: Header) -> Header:
    extensions = (
        *header.extensions,
        Extension(0x12345678, b"kept as it is"),
        Extension(FEATURE_NAMES, bytes([2, 63]) + b"mystery".ljust(46, b"\0")),
    )
    trailing = header.trailing + b"\0\0\0\0\0\0\0\x07"
    length = header.header_length + 8
    return replace(
        header, extensions=extensions, trailing=trailing, header_length=length
    )


def test_no_byte_of_the_old_name_is_left() -> None:
    host = image(LONG)
    rewrite(host, None)
    assert b"xxx" not in host.content


def test_what_was_written_before_is_durable_before_the_new_header() -> None:
    base = memory_node(b"b" * 64 * KiB)
    host = image("base")
    before = bytes(host.content)
    node = open_recorded(host, base)
    node.pwrite(0, b"top" * 16 * KiB)
    node.pwrite(48 * KiB, b"b" * 16 * KiB)
    rewrite_backing(node, None, None)
    for state in crash_states(before, host.history, Random(1), 4):
        crashed = RecordedFile(bytearray(state))
        if read_header(crashed).backing_file is None:
            assert guest_bytes(crashed, None)[:3] == b"top"


def test_the_node_knows_its_new_header() -> None:
    node = open_recorded(image("base"))
    rewrite_backing(node, None, None)
    assert node.header.backing_file is None


def test_crash_points_are_passed_in_order() -> None:
    passed: list[str] = []
    rewrite_backing(open_recorded(image("base")), None, None, passed.append)
    assert passed == list(REWRITE_POINTS)


@pytest.mark.parametrize(
    ("name", "format_"), [("base", None), ("", "raw"), ("a\0b", "raw"), (None, "raw")]
)
def test_half_a_backing_is_refused(name: str | None, format_: str | None) -> None:
    host = image("base")
    with pytest.raises(ServiceError) as caught:
        rewrite_backing(open_recorded(host), name, format_)
    assert caught.value.kind is Kind.FIELD_INVALID
    assert host.history == []


def test_a_name_that_does_not_fit_changes_nothing() -> None:
    host = image("base", cluster_size=512)
    before = bytes(host.content)
    with pytest.raises(ServiceError):
        rewrite(host, "x" * 1000)
    assert host.content == before


@pytest.mark.qemu
@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("new", ["other", None])
def test_qemu_sees_what_its_own_rebase_would_have_written(
    tmp_path: Path, version: int, new: str | None
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for name in ("base", "other"):
        make(tmp_path / name, replace(OVERLAY, backing_file=None, backing_format=None))
    compat = {2: "0.10", 3: "1.1"}[version]
    for path in (ours, theirs):
        options = f"compat={compat},cluster_size=4096"
        qemu_img(
            *("create", "-q", "-f", "qcow2", "-o", options),
            *("-b", "base", "-F", "qcow2", path, "64K"),
        )
    with opened(ours, Mode.WRITE) as node:
        rewrite_backing(node, new, None if new is None else "qcow2")
    backing = ("-b", new, "-F", "qcow2") if new else ("-b", "")
    qemu_img("rebase", "-u", "-f", "qcow2", *backing, theirs)
    assert qemu_info(ours) == qemu_info(theirs)
    qemu_img("check", "-f", "qcow2", ours)
