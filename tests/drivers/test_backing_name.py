"""How an overlay must name a file that another overlay names."""

import pytest

from longshored.block.roots import Place, Root
from longshored.drivers.backing_name import backing_name

ROOT = Root("/r", "/r", -1)
OTHER = Root("/other", "/other", -1)


@pytest.mark.parametrize(
    ("name", "named_by", "top", "base", "wanted"),
    [
        ("base", "mid", "top", "base", "base"),
        ("./base", "mid", "top", "base", "./base"),
        ("/r/base", "a/mid", "top", "base", "/r/base"),
        ("file:/r/base", "a/mid", "top", "base", "file:/r/base"),
        ("base", "a/mid", "top", "a/base", "a/base"),
        ("base", "mid", "a/b/top", "base", "../../base"),
        ("../base", "a/mid", "b/top", "base", "../base"),
        ("a:b/base", "mid", "a:b/top", "a:b/base", "base"),
        ("base", "a:b/mid", "top", "a:b/base", "./a:b/base"),
    ],
)
def test_a_name_counts_from_the_directory_of_the_top(
    name: str, named_by: str, top: str, base: str, wanted: str
) -> None:
    places = (Place(ROOT, named_by), Place(ROOT, top), Place(ROOT, base))
    assert backing_name(name, *places) == wanted


def test_across_roots_the_whole_path_is_written() -> None:
    mid, base = Place(OTHER, "mid"), Place(OTHER, "base")
    assert backing_name("base", mid, Place(ROOT, "top"), base) == "/other/base"
