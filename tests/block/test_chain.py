"""Chains: merged, read and locked as one."""

import json
import os
import random
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from longshored.block.extent import Data, Extent
from longshored.block.locks import PULL_TOP, WRITER
from longshored.block.node import Identity, Mode
from longshored.errors import Kind
from tests.support.chains import (
    Opener,
    make,
    make_deep,
    make_three,
    read,
    refused,
)
from tests.support.lockers import python_holder, qemu_io_holder
from tests.support.pictures import BLOCK, content, layers_seen


def drawn(extents: Iterator[Extent]) -> str:
    """Depth and kind of each block: '0D' is data of the top, '2-' a zero of depth 2."""
    letters = {Data.RAW: "D", Data.ZERO: "-", Data.UNALLOCATED: "?"}
    return " ".join(
        f"{extent.depth}{letters[extent.data]}"
        for extent in extents
        for _ in range(extent.length // BLOCK)
    )


def test_a_chain_shows_the_first_layer_that_has_a_block(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    chain = opener("top.qcow2")
    assert read(chain) == content(layers_seen("---Y-0", "-X0---", "ABC-E-"))


def test_the_node_of_the_top_shows_the_same(opener: Opener, tmp_path: Path) -> None:
    make_three(tmp_path)
    chain = opener("top.qcow2")
    buffer = bytearray(chain.size)
    chain.top.node.readinto(0, memoryview(buffer))
    assert buffer == read(chain)


def test_each_extent_says_at_which_depth_it_lies(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    assert drawn(opener("top.qcow2").extents()) == "2D 1D 1- 0D 2D 0-"


def test_host_offsets_lead_into_the_file_of_their_layer(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    chain = opener("top.qcow2")
    for extent in chain.extents():
        if extent.data is Data.RAW:
            assert extent.host_offset is not None
            buffer = bytearray(extent.length)
            raw = chain.layers[extent.depth].raw
            raw.readinto(extent.host_offset, memoryview(buffer))
            assert buffer == read(chain)[extent.start : extent.end]


def test_above_a_base_only_what_the_upper_layers_have_is_told(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    chain = opener("top.qcow2")
    assert drawn(chain.extents(above=2)) == "2? 1D 1- 0D 2? 0-"
    assert drawn(chain.extents(above=1)) == "1? 1? 1? 0D 1? 0-"


def test_a_range_of_extents_is_cut_to_the_range(opener: Opener, tmp_path: Path) -> None:
    make_three(tmp_path)
    extents = list(opener("top.qcow2").extents(100, BLOCK))
    assert (extents[0].start, extents[-1].end) == (100, BLOCK + 100)


def test_layers_know_their_format_name_and_links(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    layers = opener("top.qcow2").layers
    assert [layer.uri for layer in layers] == [
        str(tmp_path / name) for name in ("top.qcow2", "mid.qcow2", "base.raw")
    ]
    assert [layer.backing_file for layer in layers] == ["mid.qcow2", "base.raw", None]
    assert [layer.backing_format for layer in layers] == ["qcow2", "raw", None]


def test_a_raw_image_is_a_chain_of_one(opener: Opener, tmp_path: Path) -> None:
    make(tmp_path, "base.raw", "A-B")
    chain = opener("base.raw", "raw")
    assert read(chain) == content("A-B")
    assert drawn(chain.extents()) == "0D 0- 0D"


def test_a_shorter_backing_reads_as_zeros_past_its_end(
    opener: Opener, tmp_path: Path
) -> None:
    make(tmp_path, "base.raw", "ABCD")
    make(tmp_path, "mid.qcow2", "X-", "base.raw", "raw")
    make(tmp_path, "top.qcow2", "----", "mid.qcow2", "qcow2")
    chain = opener("top.qcow2")
    assert read(chain) == content("XB--")
    assert drawn(chain.extents()) == "1D 2D 0- 0-"
    assert drawn(chain.extents(above=2)) == "1D 2? 0- 0-"


def test_a_map_tells_zeros_from_what_lies_past_a_shorter_backing(
    opener: Opener, tmp_path: Path
) -> None:
    make(tmp_path, "base.raw", "A-CD")
    make(tmp_path, "mid.qcow2", "X--", "base.raw", "raw")
    make(tmp_path, "top.qcow2", "---0-", "mid.qcow2", "qcow2")
    chain = opener("top.qcow2")
    assert drawn(chain.map()) == "1D 2- 2D 0- 0?"
    assert drawn(chain.map(2 * BLOCK)) == "2D 0- 0?"


def test_a_map_tells_the_place_of_a_hole_in_a_raw_file(
    opener: Opener, tmp_path: Path
) -> None:
    make(tmp_path, "base.raw", "A-")
    make(tmp_path, "top.qcow2", "---", "base.raw", "raw")
    data, hole, nobody = opener("top.qcow2").map()
    assert (data.host_offset, hole.host_offset) == (0, BLOCK)
    assert nobody.host_offset is None


def test_a_longer_backing_is_cut_at_the_size_of_the_top(
    opener: Opener, tmp_path: Path
) -> None:
    make(tmp_path, "base.raw", "ABCD")
    make(tmp_path, "top.qcow2", "--", "base.raw", "raw")
    assert read(opener("top.qcow2")) == content("AB")


def test_a_raw_file_of_odd_length_ends_where_it_ends(
    opener: Opener, tmp_path: Path
) -> None:
    (tmp_path / "base.raw").write_bytes(b"x" * 1001)
    make(tmp_path, "top.qcow2", "--", "base.raw", "raw")
    assert read(opener("top.qcow2")) == (b"x" * 1001).ljust(2 * BLOCK, b"\0")


def test_find_tells_the_depth_of_a_file(opener: Opener, tmp_path: Path) -> None:
    make_three(tmp_path)
    chain = opener("top.qcow2")
    os.link(tmp_path / "base.raw", tmp_path / "other-name")
    assert chain.find(Identity.of((tmp_path / "other-name").stat())) == 2
    assert chain.find(Identity(0, 0)) is None


def test_two_hundred_links_open_and_read_in_a_second(
    opener: Opener, tmp_path: Path
) -> None:
    make_deep(tmp_path, 200)
    begun = time.perf_counter()
    chain = opener("200")
    assert read(chain) == content("A")
    assert time.perf_counter() - begun < 1
    assert len(chain.layers) == 201


# Locks.


def test_readers_share_a_chain(opener: Opener, tmp_path: Path) -> None:
    make_three(tmp_path)
    opener("top.qcow2")
    opener("top.qcow2")


def test_a_writer_of_the_top_excludes_readers_and_is_named(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    opener("top.qcow2", mode=Mode.WRITE, row=PULL_TOP)
    error = refused(opener, "top.qcow2")
    assert (error.kind, error.facts["pid"]) == (Kind.TARGET_BUSY, os.getpid())


def test_two_tops_on_one_base_are_written_side_by_side(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    make(tmp_path, "second.qcow2", "---Z--", "mid.qcow2", "qcow2")
    opener("top.qcow2", mode=Mode.WRITE, row=PULL_TOP)
    opener("second.qcow2", mode=Mode.WRITE, row=PULL_TOP)


def test_a_backing_image_of_a_chain_cannot_be_written(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    opener("top.qcow2")
    error = refused(opener, "mid.qcow2", mode=Mode.WRITE, row=WRITER)
    assert error.kind is Kind.TARGET_BUSY


def test_a_foreign_writer_of_any_link_keeps_us_out(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    with python_holder(tmp_path / "base.raw", WRITER.uses, WRITER.unshared) as pid:
        error = refused(opener, "top.qcow2")
    assert (error.facts["pid"], error.facts["uri"]) == (pid, str(tmp_path / "base.raw"))


def test_a_refused_chain_keeps_no_lock_on_the_lower_links(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    with python_holder(tmp_path / "top.qcow2", WRITER.uses, WRITER.unshared):
        refused(opener, "top.qcow2")
        opener("mid.qcow2", mode=Mode.WRITE, row=WRITER)


# The oracle.


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["top.qcow2", "mid.qcow2"])
def test_qemu_that_writes_keeps_us_out(
    opener: Opener, tmp_path: Path, name: str
) -> None:
    make_three(tmp_path)
    with qemu_io_holder(tmp_path / name, "qcow2", write=True) as pid:
        error = refused(opener, "top.qcow2", mode=Mode.WRITE, row=PULL_TOP)
    assert (error.facts["pid"], error.facts["command"]) == (pid, "qemu-io")


@pytest.mark.qemu
def test_a_pulled_chain_keeps_qemu_out(opener: Opener, tmp_path: Path) -> None:
    make_three(tmp_path)
    opener("top.qcow2", mode=Mode.WRITE, row=PULL_TOP)
    for name in ("top.qcow2", "mid.qcow2"):
        write = ["qemu-io", "-f", "qcow2", "-c", "write 0 512", str(tmp_path / name)]
        done = subprocess.run(write, capture_output=True, text=True, check=False)
        assert '"write" lock' in done.stderr


@pytest.mark.qemu
@pytest.mark.parametrize("seed", range(12))
def test_random_chains_map_as_qemu_img_maps_them(
    opener: Opener, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    depth = chance.randint(1, 4)
    backing: str | None = None
    for level in range(depth):
        size = chance.randint(3, 12)
        letters = "".join(chance.choice("A-0-") for _ in range(size))
        raw = level == 0 and chance.random() < 0.5
        name = f"{level}.raw" if raw else f"{level}"
        if raw:
            letters = letters.replace("0", "-")
        kind = None if backing is None else ("raw" if ".raw" in backing else "qcow2")
        make(tmp_path, name, letters, backing, kind)
        backing = name
    assert backing is not None
    format_ = "raw" if ".raw" in backing else "qcow2"
    chain = opener(backing, format_)
    assert list(map(ours, chain.map())) == qemu_map(tmp_path / backing, format_)


def ours(extent: Extent) -> dict[str, object]:
    """A run as `qemu-img map` prints it."""
    is_nobodys = extent.data is Data.UNALLOCATED
    row: dict[str, object] = {
        "start": extent.start,
        "length": extent.length,
        "depth": extent.depth,
        "present": not is_nobodys,
        "zero": is_nobodys or extent.data is Data.ZERO,
        "data": extent.data is Data.RAW,
    }
    return row if extent.host_offset is None else row | {"offset": extent.host_offset}


def qemu_map(image: Path, format_: str) -> list[dict[str, object]]:
    command = ["qemu-img", "map", "--output=json", "-f", format_, str(image)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows
