"""Turns: so many writers at once on each disk."""

from longshored.block.copy.turns import Turns


def test_a_third_writer_waits_for_one_of_two() -> None:
    turns = Turns(2).of(7)
    with turns:
        with turns:
            assert not turns.acquire(blocking=False)
        assert turns.acquire(blocking=False)


def test_another_disk_has_turns_of_its_own() -> None:
    turns = Turns(1)
    with turns.of(7):
        assert turns.of(8).acquire(blocking=False)


def test_all_of_one_disk_share_its_turns() -> None:
    turns = Turns()
    mine = turns.of(7)
    assert turns.of(7) is mine


def test_two_writers_at_least_keep_a_disk_busy() -> None:
    turns = Turns().of(7)
    assert turns.acquire(blocking=False)
    assert turns.acquire(blocking=False)
