"""All clients at once, for a short while; the module run by hand is the whole proof."""

import pytest

from .built import built
from .together import Wish, differences, play

Seen = tuple[int, str, str, str]

TRUTH: list[Seen] = [
    (1, "CREATED", "a", "QUEUED"),
    (2, "UPDATED", "a", "RUNNING"),
    (4, "UPDATED", "a", "SUCCEEDED"),
]


@pytest.mark.clients
@pytest.mark.timeout(300)
def test_all_clients_see_the_same_history() -> None:
    wish = Wish(seconds=10, languages=tuple(built()), seed=4, kills=1)
    assert list(play(wish)) == []


def test_a_change_that_is_missed_is_found() -> None:
    assert list(differences(TRUTH, {"go": TRUTH[:1] + TRUTH[2:]}, head=4))
    assert list(differences(TRUTH, {"go": TRUTH[:2]}, head=4))


def test_a_change_that_is_told_twice_is_found() -> None:
    assert list(differences(TRUTH, {"go": [*TRUTH, TRUTH[-1]]}, head=4))


def test_the_same_history_has_no_differences() -> None:
    later = (5, "REMOVED", "a", "SUCCEEDED")
    assert not list(differences([*TRUTH, later], {"go": TRUTH}, head=4))
