"""Page tokens."""

import pytest

from longshored.errors import Kind, ServiceError
from longshored.service.pages import Pages, Place

PAGES = Pages(b"k" * 32, "history")
PLACE = Place(revision=7, after=3)
REQUEST = b"request"


def refused(pages: Pages, token: str, request: bytes = REQUEST) -> bool:
    with pytest.raises(ServiceError) as caught:
        pages.open(token, request)
    return caught.value.kind is Kind.PAGE_TOKEN_INVALID


def test_a_token_opens_to_what_was_sealed() -> None:
    assert PAGES.open(PAGES.seal(PLACE, REQUEST), REQUEST) == PLACE


def test_a_token_of_another_key_is_refused() -> None:
    assert refused(PAGES, Pages(b"x" * 32, "history").seal(PLACE, REQUEST))


def test_a_token_of_another_history_is_refused() -> None:
    assert refused(PAGES, Pages(b"k" * 32, "other").seal(PLACE, REQUEST))


def test_a_token_with_other_arguments_is_refused() -> None:
    assert refused(PAGES, PAGES.seal(PLACE, REQUEST), b"other")


def test_a_token_with_one_character_changed_is_refused() -> None:
    token = PAGES.seal(PLACE, REQUEST)
    for index, char in enumerate(token):
        other = "A" if char != "A" else "B"
        changed = token[:index] + other + token[index + 1 :]
        # The last character carries padding bits that mean nothing.
        if index < len(token) - 1:
            assert refused(PAGES, changed)


@pytest.mark.parametrize(
    "token", ["", "A", "AAAA", "ä", "not a token", "=" * 9, "x" * 9999]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert refused(PAGES, token)
