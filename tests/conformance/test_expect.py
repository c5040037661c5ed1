"""The language in which scenarios say what they expect."""

from typing import Any

import pytest

from .expect import Unknown, filled, misses, taken


def fits(wish: Any, found: Any) -> bool:
    return not list(misses(wish, found))


def test_an_object_may_have_more_than_is_wished() -> None:
    assert fits({"a": 1}, {"a": 1, "b": 2})
    assert not fits({"a": 1}, {"a": 2})
    assert not fits({"a": {"b": 1}}, {"a": 1})


def test_null_is_absent_or_null() -> None:
    assert fits({"a": None}, {})
    assert fits({"a": None}, {"a": None})
    assert not fits({"a": None}, {"a": 0})


def test_a_list_has_these_items_and_no_others() -> None:
    assert fits([{"a": 1}], [{"a": 1, "b": 2}])
    assert not fits([{"a": 1}], [{"a": 1}, {"a": 1}])
    assert not fits([], None)


def test_true_is_not_one() -> None:
    assert not fits(True, 1)
    assert not fits("1", 1)


@pytest.mark.parametrize(
    ("wish", "good", "bad"),
    [
        ({"$length": 2}, [1, 2], [1]),
        ({"$at_least": 2}, "3", 1),
        ({"$at_most": 2}, 1.5, 3),
        ({"$number": "1.5"}, 1.5, "1.6"),
        ({"$one_of": [1, 2]}, 2, 3),
        ({"$has": {"a": 1}}, [{"a": 2}, {"a": 1}], [{"a": 2}]),
        ({"$lacks": {"a": 1}}, [{"a": 2}], [{"a": 1}]),
        ({"$matches": "^a"}, "ab", "ba"),
        ({"$set": True}, "x", ""),
        (
            {"$column": {"of": "a", "is": [1, 2]}},
            [{"a": "1"}, {"a": "2"}],
            [{"a": "1"}],
        ),
        ({"$rising": "a"}, [{"a": "9"}, {"a": "10"}], [{"a": "9"}, {"a": "9"}]),
        ({"$length": 1, "$has": {"a": 1}}, [{"a": 1}], [{"a": 1}, {"a": 1}]),
    ],
)
def test_a_test_tells_good_from_bad(wish: Any, good: Any, bad: Any) -> None:
    assert fits(wish, good)
    assert not fits(wish, bad)


def test_a_test_that_there_is_not_is_a_mistake() -> None:
    with pytest.raises(Unknown):
        fits({"$nonsense": 1}, 1)


def test_names_are_filled_in() -> None:
    names = {"root": "/srv", "count": 3}
    assert filled({"a": ["$root/x", "$count", "$other"]}, names) == {
        "a": ["/srv/x", 3, "$other"]
    }


def test_values_are_taken_by_their_path() -> None:
    assert taken("jobs.1.id", {"jobs": [{"id": 1}, {"id": 2}]}) == 2
