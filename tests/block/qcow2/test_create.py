from itertools import product
from pathlib import Path

import pytest

from longshored.block.node import Mode
from longshored.block.qcow2.create import CreateOptions, check_options, create_qcow2
from longshored.block.qcow2.layout import Compression
from longshored.errors import Kind, ServiceError
from longshored.units import GiB, KiB, MiB, TiB
from tests.support.qcow2 import make, opened, qemu_img, qemu_info, raw_node


def test_a_new_image_is_unallocated_from_end_to_end(tmp_path: Path) -> None:
    make(tmp_path / "i.qcow2", CreateOptions(size=1 * TiB))
    with opened(tmp_path / "i.qcow2") as node:
        (extent,) = node.extents()
    assert extent.length == 1 * TiB


@pytest.mark.parametrize("size", [0, 1, 511, 512, 1000, 1 * MiB])
def test_the_size_is_rounded_up_to_sectors(tmp_path: Path, size: int) -> None:
    header = make(tmp_path / "i.qcow2", CreateOptions(size=size))
    assert header.size == -(-size // 512) * 512


def test_the_header_that_is_returned_is_the_one_in_the_file(tmp_path: Path) -> None:
    options = CreateOptions(size=1 * GiB, backing_file="base.raw", backing_format="raw")
    header = make(tmp_path / "i.qcow2", options)
    with opened(tmp_path / "i.qcow2") as node:
        assert node.header == header
    assert (header.backing_file, header.backing_format) == ("base.raw", "raw")


def test_a_file_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "i.qcow2"
    path.write_bytes(b"precious")
    with pytest.raises(ServiceError) as caught:
        create_qcow2(raw_node(path, Mode.WRITE), CreateOptions(size=1 * MiB))
    assert caught.value.kind is Kind.TARGET_EXISTS
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (CreateOptions(size=-1), "size"),
        (CreateOptions(size=1 << 63), "size"),
        (CreateOptions(size=1 * TiB, cluster_size=512), "size"),
        (CreateOptions(size=0, cluster_size=0), "cluster_size"),
        (CreateOptions(size=0, cluster_size=256), "cluster_size"),
        (CreateOptions(size=0, cluster_size=3 * KiB), "cluster_size"),
        (CreateOptions(size=0, cluster_size=4 * MiB), "cluster_size"),
        (CreateOptions(size=0, cluster_size=8 * KiB, extended_l2=True), "cluster_size"),
        (CreateOptions(size=0, refcount_bits=0), "refcount_bits"),
        (CreateOptions(size=0, refcount_bits=128), "refcount_bits"),
        (CreateOptions(size=0, refcount_bits=12), "refcount_bits"),
        (CreateOptions(size=0, version=4), "version"),
        (CreateOptions(size=0, version=2, refcount_bits=8), "refcount_bits"),
        (CreateOptions(size=0, version=2, extended_l2=True), "extended_l2"),
        (CreateOptions(size=0, version=2, lazy_refcounts=True), "lazy_refcounts"),
        (
            CreateOptions(size=0, version=2, compression=Compression.ZSTD),
            "compression",
        ),
        (CreateOptions(size=0, backing_file="b"), "backing_format"),
        (CreateOptions(size=0, backing_format="raw"), "backing_format"),
        (
            CreateOptions(size=0, backing_file="b", backing_format="q" * 16),
            "backing_format",
        ),
        (
            CreateOptions(size=0, backing_file="b" * 1024, backing_format="raw"),
            "backing_file",
        ),
        (
            CreateOptions(size=0, backing_file="b\0", backing_format="raw"),
            "backing_file",
        ),
        (CreateOptions(size=0, backing_file="", backing_format="raw"), "backing_file"),
    ],
)
def test_wrong_options_name_their_field(options: CreateOptions, field: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check_options(options)
    assert caught.value.facts["first_field"] == field


def test_a_backing_name_that_is_no_text_is_refused() -> None:
    options = CreateOptions(size=0, backing_file="\ud800", backing_format="raw")
    with pytest.raises(ServiceError, match="cannot be written as bytes"):
        check_options(options)


def test_a_backing_name_that_leaves_no_room_writes_nothing(tmp_path: Path) -> None:
    options = CreateOptions(
        size=0, cluster_size=512, backing_file="b" * 500, backing_format="raw"
    )
    with pytest.raises(ServiceError, match="does not fit"):
        make(tmp_path / "i.qcow2", options)
    assert (tmp_path / "i.qcow2").stat().st_size == 0


def as_qemu(options: CreateOptions) -> str:
    """The same options in the words of qemu-img."""
    words = [
        f"compat={'1.1' if options.version == 3 else '0.10'}",
        f"cluster_size={options.cluster_size}",
        f"refcount_bits={options.refcount_bits}",
    ]
    if options.extended_l2:
        words.append("extended_l2=on")
    if options.lazy_refcounts:
        words.append("lazy_refcounts=on")
    if options.compression is Compression.ZSTD:
        words.append("compression_type=zstd")
    if options.backing_file is not None:
        words.append(f"backing_file={options.backing_file}")
        words.append(f"backing_fmt={options.backing_format}")
    return ",".join(words)


MATRIX = [
    *(
        CreateOptions(size=1 * GiB, cluster_size=512 << shift, refcount_bits=1 << order)
        for shift, order in product((0, 3, 7, 12), (0, 2, 4, 6))
    ),
    *(CreateOptions(size=size) for size in (0, 1, 1000, 3 * TiB + 512)),
    CreateOptions(size=4 * GiB, cluster_size=512, refcount_bits=64),
    CreateOptions(size=1 * GiB, version=2),
    CreateOptions(size=1 * GiB, version=2, cluster_size=2 * MiB),
    CreateOptions(size=1 * GiB, extended_l2=True),
    CreateOptions(size=1 * GiB, extended_l2=True, cluster_size=16 * KiB),
    CreateOptions(size=1 * GiB, lazy_refcounts=True),
    CreateOptions(size=1 * GiB, compression=Compression.ZSTD),
    CreateOptions(size=1 * GiB, backing_file="base.raw", backing_format="raw"),
    CreateOptions(
        size=1 * GiB, version=2, backing_file="base.raw", backing_format="raw"
    ),
]


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize("options", MATRIX, ids=as_qemu)
def test_a_new_image_is_what_qemu_would_have_made(
    tmp_path: Path, options: CreateOptions
) -> None:
    ours, theirs = tmp_path / "ours.qcow2", tmp_path / "theirs.qcow2"
    (tmp_path / "base.raw").touch()
    make(ours, options)
    words = as_qemu(options)
    qemu_img(
        "create", "-q", "-f", "qcow2", "-u", "-o", words, theirs, f"{options.size}"
    )
    assert qemu_info(ours) == qemu_info(theirs)
    qemu_img("check", "-q", "-f", "qcow2", ours)
