"""Turns: so many writers at once on each disk."""

import threading

from longshored.block.copy.turns import Turns

PATIENCE = 10.0


def test_a_third_writer_waits_for_one_of_two() -> None:
    turns = Turns(2)
    third, came = threading.Event(), threading.Event()

    def write() -> None:
        third.set()
        with turns.of(7):
            came.set()

    writer = threading.Thread(target=write)
    with turns.of(7):
        with turns.of(7):
            writer.start()
            assert third.wait(PATIENCE)
            assert not came.is_set()
        assert came.wait(PATIENCE)
    writer.join(PATIENCE)


def test_another_disk_has_turns_of_its_own() -> None:
    turns = Turns(1)
    with turns.of(7), turns.of(8):
        assert turns.of(7) is not turns.of(8)


def test_all_of_one_disk_share_its_turns() -> None:
    turns = Turns()
    mine = turns.of(7)
    assert turns.of(7) is mine
