from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.qcow2 import extensions as ext
from longshored.block.qcow2.bitmaps import (
    AUTO,
    IN_USE,
    Bitmap,
    decode_directory,
    encode_directory,
    invalidates_bitmaps,
    read_bitmaps,
)
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.extensions import BitmapsExtension, Extension
from longshored.block.qcow2.features import Autoclear
from longshored.block.qcow2.layout import Header
from longshored.errors import ServiceError
from longshored.units import MiB
from tests.support.qcow2 import Builder, opened, qemu_img, raw_node

PLAIN = Bitmap(0x20000, 1, AUTO, 16, b"daily")


@given(
    st.lists(
        st.builds(
            Bitmap,
            st.integers(0, 2**64 - 1),
            st.integers(0, 2**32 - 1),
            st.integers(0, 7),
            st.integers(9, 31),
            st.binary(min_size=1, max_size=30),
            st.binary(max_size=30),
        ),
        max_size=4,
        unique_by=lambda bitmap: bitmap.name,
    )
)
def test_a_directory_survives_encoding(bitmaps: list[Bitmap]) -> None:
    data = encode_directory(tuple(bitmaps))
    assert decode_directory(data, len(bitmaps)) == tuple(bitmaps)


@given(st.binary(max_size=200), st.integers(1, 65_535))
def test_noise_is_a_directory_or_our_error(data: bytes, count: int) -> None:
    with suppress(ServiceError):
        decode_directory(data, count)


@pytest.mark.parametrize(
    "wrong",
    [
        replace(PLAIN, flags=8),
        replace(PLAIN, type=2),
        replace(PLAIN, granularity_bits=8),
        replace(PLAIN, granularity_bits=32),
        replace(PLAIN, name=b""),
        replace(PLAIN, name=b"n" * 1024),
    ],
)
def test_an_entry_that_cannot_be_is_refused(wrong: Bitmap) -> None:
    with pytest.raises(ServiceError, match="Bitmap entry is damaged"):
        decode_directory(encode_directory((wrong,)), 1)


def test_two_bitmaps_cannot_have_one_name() -> None:
    with pytest.raises(ServiceError, match="one name"):
        decode_directory(encode_directory((PLAIN, PLAIN)), 2)


def test_a_directory_must_be_filled_exactly() -> None:
    with pytest.raises(ServiceError, match="directory is damaged"):
        decode_directory(encode_directory((PLAIN,)) + bytes(8), 1)


def image_with(
    path: Path, *bitmaps: Bitmap, autoclear: int = Autoclear.BITMAPS
) -> Header:
    builder = Builder(path, CreateOptions(size=1 * MiB))
    data = encode_directory(bitmaps)
    place = BitmapsExtension(len(bitmaps), len(data), builder.cluster(data))
    extension = Extension(ext.BITMAPS, ext.encode_bitmaps(place))
    builder.change_header(extensions=(extension,), autoclear=autoclear)
    builder.save()
    with opened(path) as node:
        return node.header


@pytest.mark.parametrize(
    ("bitmap", "autoclear", "answer"),
    [
        (PLAIN, Autoclear.BITMAPS, True),
        (replace(PLAIN, flags=IN_USE), Autoclear.BITMAPS, False),
        (PLAIN, 0, False),
        (replace(PLAIN, table_offset=1), Autoclear.BITMAPS, True),
    ],
    ids=["auto", "not auto", "inconsistent already", "damaged"],
)
def test_unrecorded_writes_invalidate_bitmaps_that_would_record(
    tmp_path: Path, bitmap: Bitmap, autoclear: int, answer: bool
) -> None:
    path = tmp_path / "i.qcow2"
    header = image_with(path, bitmap, autoclear=autoclear)
    assert invalidates_bitmaps(raw_node(path), header) is answer


def test_an_image_without_bitmaps_has_none(tmp_path: Path) -> None:
    path = Builder(tmp_path / "i.qcow2", CreateOptions(size=1 * MiB)).save()
    with opened(path) as node:
        assert read_bitmaps(node.raw, node.header) == ()


@pytest.mark.qemu
def test_bitmaps_that_qemu_made_are_read(tmp_path: Path) -> None:
    path = Builder(tmp_path / "i.qcow2", CreateOptions(size=1 * MiB)).save()
    qemu_img("bitmap", "--add", path, "daily")
    qemu_img("bitmap", "--add", "--disable", path, "asleep")
    with opened(path) as node:
        found = read_bitmaps(node.raw, node.header)
    assert [(b.name, b.auto, b.in_use) for b in found] == [
        (b"daily", True, False),
        (b"asleep", False, False),
    ]
