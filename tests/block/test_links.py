"""Links: what a chain may be made of, and what is refused."""

import os
from pathlib import Path

import pytest

from longshored.block.locks import WRITER
from longshored.block.node import Mode
from longshored.errors import Kind
from tests.support.chains import (
    Opener,
    make,
    make_deep,
    make_three,
    plant,
    read,
    refused,
)
from tests.support.pictures import content


def test_one_link_more_is_refused(opener: Opener, tmp_path: Path) -> None:
    make_deep(tmp_path, 201)
    error = refused(opener, "201")
    assert (error.kind, error.facts["limit"]) == (Kind.IMAGE_UNSUPPORTED, 200)


def test_an_image_that_backs_itself_is_a_loop(opener: Opener, tmp_path: Path) -> None:
    make(tmp_path, "top.qcow2", "A", "top.qcow2", "qcow2")
    assert "loop" in refused(opener, "top.qcow2").message


def test_two_images_that_back_each_other_are_a_loop(
    opener: Opener, tmp_path: Path
) -> None:
    make(tmp_path, "a.qcow2", "A", "b.qcow2", "qcow2")
    make(tmp_path, "b.qcow2", "B", "a.qcow2", "qcow2")
    error = refused(opener, "a.qcow2")
    assert error.kind is Kind.IMAGE_INVALID
    assert error.facts["same_as"] == str(tmp_path / "a.qcow2")


def test_a_loop_through_a_second_name_is_found(opener: Opener, tmp_path: Path) -> None:
    make(tmp_path, "a.qcow2", "A", "other", "qcow2")
    os.link(tmp_path / "a.qcow2", tmp_path / "other")
    assert "loop" in refused(opener, "a.qcow2").message


def test_a_missing_format_says_how_to_declare_it(
    opener: Opener, tmp_path: Path
) -> None:
    make(tmp_path, "base.raw", "A")
    make(tmp_path, "top.qcow2", "-")
    plant(tmp_path / "top.qcow2", "base.raw", None)
    error = refused(opener, "top.qcow2")
    assert error.kind is Kind.TARGET_WRONG_STATE
    assert "backing_chain[0].format" in error.message
    assert error.facts["named_by"] == str(tmp_path / "top.qcow2")


def test_a_declared_format_fills_the_gap(opener: Opener, tmp_path: Path) -> None:
    make(tmp_path, "base.raw", "A")
    make(tmp_path, "top.qcow2", "-")
    plant(tmp_path / "top.qcow2", "base.raw", None)
    chain = opener("top.qcow2", declared=(("base.raw", "raw"),))
    assert read(chain) == content("A")


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        ((("mid.qcow2", "raw"), ("base.raw", "raw")), "backing_chain[0].format"),
        ((("mid.qcow2", "qcow2"), ("top.qcow2", "raw")), "backing_chain[1].uri"),
        ((("mid.qcow2", "qcow2"),), "backing_chain"),
        (
            (("mid.qcow2", None), ("base.raw", None), ("base.raw", None)),
            "backing_chain",
        ),
    ],
)
def test_a_declared_chain_must_be_what_the_headers_say(
    opener: Opener,
    tmp_path: Path,
    declared: tuple[tuple[str, str | None], ...],
    field: str,
) -> None:
    make_three(tmp_path)
    error = refused(opener, "top.qcow2", declared=declared)
    assert error.kind is Kind.FIELD_INVALID
    assert error.violations[0].field == field


def test_a_right_declaration_is_accepted_by_any_name(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    os.link(tmp_path / "base.raw", tmp_path / "alias.raw")
    chain = opener("top.qcow2", declared=(("mid.qcow2", None), ("alias.raw", "raw")))
    assert len(chain.layers) == 3


def test_the_top_needs_a_format(opener: Opener, tmp_path: Path) -> None:
    make_three(tmp_path)
    assert refused(opener, "top.qcow2", None).kind is Kind.FIELD_INVALID


@pytest.mark.parametrize("format_", ["vmdk", "luks", "", "QCOW2", "a\nb"])
def test_other_formats_are_refused_by_name(
    opener: Opener, tmp_path: Path, format_: str
) -> None:
    make_three(tmp_path)
    error = refused(opener, "top.qcow2", format_)
    assert error.kind is Kind.IMAGE_UNSUPPORTED
    assert error.facts["supported"] == "raw, qcow2"


def test_a_raw_image_declared_qcow2_is_invalid(opener: Opener, tmp_path: Path) -> None:
    make(tmp_path, "base.raw", "A")
    assert refused(opener, "base.raw", "qcow2").kind is Kind.IMAGE_INVALID


def test_a_qcow2_image_declared_raw_is_just_bytes(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    chain = opener("top.qcow2", "raw")
    assert len(chain.layers) == 1
    assert read(chain) == (tmp_path / "top.qcow2").read_bytes()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("missing", Kind.TARGET_NOT_FOUND),
        ("dir", Kind.TARGET_WRONG_STATE),
        ("fifo", Kind.TARGET_WRONG_STATE),
        ("../canary", Kind.PERMISSION_DENIED),
        ("/etc/passwd", Kind.PERMISSION_DENIED),
        ("/proc/self/fd/0", Kind.PERMISSION_DENIED),
        ('json:{"driver":"null-co"}', Kind.IMAGE_UNSUPPORTED),
        ("nbd://127.0.0.1:1/", Kind.IMAGE_UNSUPPORTED),
        ("http://127.0.0.1:1/", Kind.IMAGE_UNSUPPORTED),
        ("a\nb", Kind.IMAGE_INVALID),
        ("a\0b", Kind.IMAGE_INVALID),
        ("a\udcffb", Kind.IMAGE_INVALID),
        ("x" * 256, Kind.IMAGE_INVALID),
    ],
)
def test_a_hostile_backing_name_is_refused_and_nothing_is_touched(
    opener: Opener, tmp_path: Path, name: str, kind: Kind
) -> None:
    (tmp_path / "dir").mkdir()
    os.mkfifo(tmp_path / "fifo")
    make(tmp_path, "top.qcow2", "A")
    plant(tmp_path / "top.qcow2", name, "raw")
    before = (tmp_path / "top.qcow2").read_bytes()
    error = refused(opener, "top.qcow2", mode=Mode.WRITE, row=WRITER)
    assert error.kind is kind
    assert error.facts["uri"]
    assert (tmp_path / "top.qcow2").read_bytes() == before


def test_a_failure_leaves_no_lock_and_no_descriptor(
    opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    (tmp_path / "base.raw").unlink()
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    refused(opener, "top.qcow2")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - numbers


def test_closing_gives_every_descriptor_back(opener: Opener, tmp_path: Path) -> None:
    make_three(tmp_path)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    opener("top.qcow2").close()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - numbers
