"""Parts that are made once: the same value gives the same bytes, and no other's."""

from longshored.service.jobparts import Remembered


def test_a_value_that_was_met_is_not_made_again() -> None:
    made: list[tuple[int, ...]] = []
    value = (1, 2)

    def make(value: tuple[int, ...]) -> bytes:
        made.append(value)
        return bytes(value)

    remembered = Remembered(make)
    assert remembered.of(value) is remembered.of(value)
    assert made == [value]


def test_values_that_come_and_go_never_get_bytes_of_each_other() -> None:
    remembered = Remembered[tuple[int, ...]](bytes)
    for number in range(10_000):
        value = (number % 256, number // 256)
        assert remembered.of(value, keep=number % 3 > 0) == bytes(value)
