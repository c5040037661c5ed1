"""What paths and references may look like."""

import pytest

from longshored.block.pathname import check_path, check_reference, shown
from longshored.errors import Kind, ServiceError

HOSTILE_TEXT = [
    ("", "is empty"),
    ("/a\0b", "NUL"),
    ("/a\nb", "newline"),
    ("/a\rb", "newline"),
    ("/a\x1b[2Jb", "control character"),
    ("/a\x85b", "control character"),
    ("/a\u202egpj.b", "direction"),
    ("/a\udcffb", "UTF-8"),
    ("/" + "a" * 256, "component"),
    ("/" + "ä" * 128, "component"),
    ("/a" * 2048, "4096 bytes"),
]


@pytest.mark.parametrize(("path", "word"), HOSTILE_TEXT)
def test_hostile_paths_are_refused_with_the_reason(path: str, word: str) -> None:
    with pytest.raises(ServiceError, match=word) as caught:
        check_path(path)
    assert caught.value.kind is Kind.FIELD_INVALID
    assert caught.value.violations[0].field == "uri"


@pytest.mark.parametrize(("name", "word"), HOSTILE_TEXT)
def test_hostile_references_are_an_invalid_image(name: str, word: str) -> None:
    with pytest.raises(ServiceError, match=word) as caught:
        check_reference(name, "/images/top.qcow2")
    assert caught.value.kind is Kind.IMAGE_INVALID
    assert caught.value.facts["uri"] == "/images/top.qcow2"


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("a", "absolute"),
        ("-o", "absolute"),
        (".", "absolute"),
        ("/a/../b", "'..'"),
        ("/..", "'..'"),
        ("/a/", "slash"),
    ],
)
def test_a_caller_names_absolute_paths_without_dots(path: str, word: str) -> None:
    with pytest.raises(ServiceError, match=word):
        check_path(path)


@pytest.mark.parametrize(
    ("path", "same"),
    [
        ("/a/b", "/a/b"),
        ("/a//b", "/a/b"),
        ("//a/./b", "/a/b"),
        ("/a,b=c d", "/a,b=c d"),
        ("/..a", "/..a"),
        ("/" + "a" * 255, "/" + "a" * 255),
    ],
)
def test_odd_but_honest_paths_are_kept(path: str, same: str) -> None:
    assert check_path(path) == same


@pytest.mark.parametrize(
    "name",
    [
        'json:{"driver":"nbd"}',
        "json:{}",
        "nbd://127.0.0.1/x",
        "nbd:unix:/tmp/s",
        "http://example.org/x",
        "fat:/etc",
        "host_device:/dev/sda",
        "raw:x",
        "file:relative",
        ":x",
    ],
)
def test_a_reference_with_a_protocol_is_refused(name: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check_reference(name, "/images/top.qcow2")
    assert caught.value.kind is Kind.IMAGE_UNSUPPORTED
    assert caught.value.facts["backing_name"] == name


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("base.raw", "base.raw"),
        ("../base.raw", "../base.raw"),
        ("/images/base.raw", "/images/base.raw"),
        ("file:/images/a%20b", "/images/a%20b"),
        ("file:///images/base.raw", "///images/base.raw"),
        ("./a:b", "./a:b"),
        ("sub/a:b", "sub/a:b"),
    ],
)
def test_plain_references_mean_what_qemu_takes_them_for(name: str, path: str) -> None:
    assert check_reference(name, "/images/top.qcow2") == path


def test_hostile_text_is_shown_without_its_effect() -> None:
    assert shown("/a\n\x1b[2J") == "/a\\n\\x1b[2J"
    assert len(shown("a" * 5000)) < 200
