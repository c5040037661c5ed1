"""UUIDs of version 7: their form and their order."""

import uuid

from longshored.scheduler.ids import uuid7
from tests.support.clock import MONDAY


def zeros(count: int) -> bytes:
    return bytes(count)


def ones(count: int) -> bytes:
    return b"\xff" * count


def test_it_is_a_uuid_of_version_7() -> None:
    for random in (zeros, ones):
        made = uuid.UUID(uuid7(MONDAY, random))
        assert (made.version, made.variant) == (7, uuid.RFC_4122)


def test_it_begins_with_the_time() -> None:
    made = uuid.UUID(uuid7(MONDAY, ones))
    assert made.int >> 80 == MONDAY // 1_000_000


def test_a_later_one_sorts_behind_whatever_chance_says() -> None:
    assert uuid7(MONDAY, ones) < uuid7(MONDAY + 1000, zeros)
