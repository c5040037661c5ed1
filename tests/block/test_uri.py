"""How a caller names an image."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from longshored.block.uri import ImageUri, parse_uri
from longshored.errors import Kind, ServiceError


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/images/a.qcow2", "/images/a.qcow2"),
        ("file:///images/a.qcow2", "/images/a.qcow2"),
        ("FILE:/images/a", "/images/a"),
        ("file://localhost/images/a", "/images/a"),
        ("file:///images/a%20b%25", "/images/a b%"),
        ("/images/a%20b", "/images/a%20b"),
        ("/images/what?", "/images/what?"),
        ("file:///images/%C3%A4", "/images/ä"),
    ],
)
def test_paths_and_file_uris_name_a_path(text: str, path: str) -> None:
    assert parse_uri(text) == ImageUri(path)


@pytest.mark.parametrize("path", ["/a", "/a b/%/ä?#", "/a:b"])
def test_a_printed_uri_parses_to_the_same_path(path: str) -> None:
    assert parse_uri(str(ImageUri(path))).path == path


@pytest.mark.parametrize("text", ["nbd://h/x", "nbd+unix:///x?socket=s", "NBDS://h"])
def test_nbd_is_known_and_refused_by_name(text: str) -> None:
    with pytest.raises(ServiceError, match="NBD") as caught:
        parse_uri(text)
    assert caught.value.kind is Kind.IMAGE_UNSUPPORTED
    assert caught.value.facts["feature"] == "nbd"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "images/a",
        "-o",
        "http://h/a",
        'json:{"driver":"raw"}',
        "file://host/a",
        "file:a",
        "file:///a?b",
        "file:///a#b",
        "file:///a%00b",
        "file:///a%0Ab",
        "file:///a\nb",
        "file:///a/%2e%2e/b",
        "file:///%FF",
        "file://\udcff/a",
        "file:///\udcff",
    ],
)
def test_everything_else_is_a_wrong_field(text: str) -> None:
    with pytest.raises(ServiceError) as caught:
        parse_uri(text)
    assert caught.value.kind is Kind.FIELD_INVALID
    assert caught.value.violations[0].field == "uri"


@given(st.text() | st.text().map("file:///{}".format) | st.text().map("/{}".format))
@example("file:///%")
@example("file:///%ff")
def test_any_text_is_a_path_or_a_typed_error(text: str) -> None:
    try:
        path = parse_uri(text).path
    except ServiceError:
        return
    assert path.startswith("/")
    assert ".." not in path.split("/")
    assert all(ord(letter) >= 32 for letter in path)
