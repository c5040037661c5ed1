"""New files: whole under their name, or not there."""

import os
from pathlib import Path

import pytest

from longshored.block.files import create_new, part_name
from longshored.block.roots import Roots
from longshored.errors import Kind, ServiceError


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_file_has_its_name_only_when_it_is_whole(
    roots: Roots, tmp_path: Path
) -> None:
    new = create_new(roots, roots.resolve(str(tmp_path / "new")), "job-1")
    new.node.pwrite(0, b"bytes")
    assert names(tmp_path) == {".new.job-1.part"}
    new.publish()
    new.node.close()
    assert names(tmp_path) == {"new"}
    assert (tmp_path / "new").read_bytes() == b"bytes"


def test_an_abandoned_file_leaves_nothing(roots: Roots, tmp_path: Path) -> None:
    new = create_new(roots, roots.resolve(str(tmp_path / "new")), "job-1")
    new.abandon()
    assert names(tmp_path) == set()


def test_an_existing_name_is_refused_at_once(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(b"old")
    with pytest.raises(ServiceError) as caught:
        create_new(roots, roots.resolve(str(tmp_path / "new")), "job-1")
    assert caught.value.kind is Kind.TARGET_EXISTS
    assert names(tmp_path) == {"new"}


def test_a_name_taken_meanwhile_is_not_replaced(roots: Roots, tmp_path: Path) -> None:
    new = create_new(roots, roots.resolve(str(tmp_path / "new")), "job-1")
    (tmp_path / "new").write_bytes(b"other")
    with pytest.raises(ServiceError) as caught:
        new.publish()
    new.abandon()
    assert caught.value.kind is Kind.TARGET_EXISTS
    assert (tmp_path / "new").read_bytes() == b"other"
    assert names(tmp_path) == {"new"}


def test_a_dangling_link_counts_as_a_name(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "new").symlink_to("nowhere")
    with pytest.raises(ServiceError) as caught:
        create_new(roots, roots.resolve(str(tmp_path / "new")), "job-1")
    assert caught.value.kind is Kind.TARGET_EXISTS


def test_a_missing_directory_is_not_found(roots: Roots, tmp_path: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        create_new(roots, roots.resolve(str(tmp_path / "no" / "new")), "job-1")
    assert caught.value.kind is Kind.TARGET_NOT_FOUND


def test_a_directory_behind_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "out").symlink_to("..")
    roots = Roots.open([str(tmp_path / "root")])
    with pytest.raises(ServiceError) as caught:
        create_new(roots, roots.resolve(str(tmp_path / "root/out/new")), "job-1")
    roots.close()
    assert caught.value.kind is Kind.PERMISSION_DENIED
    assert names(tmp_path) == {"root"}


def test_a_new_image_is_private(roots: Roots, tmp_path: Path) -> None:
    new = create_new(roots, roots.resolve(str(tmp_path / "new")), "job-1")
    assert os.fstat(new.node.fd).st_mode & 0o777 == 0o600
    new.abandon()


def test_the_longest_name_still_has_a_part_name(roots: Roots, tmp_path: Path) -> None:
    name = "ä" * 127 + "x"
    new = create_new(roots, roots.resolve(str(tmp_path / name)), "j" * 36)
    new.publish()
    new.node.close()
    assert names(tmp_path) == {name}


def test_a_part_name_is_at_most_255_bytes() -> None:
    assert len(part_name("ä" * 127, "j" * 36).encode()) <= 255
