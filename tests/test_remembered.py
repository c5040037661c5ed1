"""Parts that are made once: the same value gives the same bytes, and no other's."""

from dataclasses import dataclass, replace

from longshored.remembered import Remembered, RememberedFields


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
    remembered = Remembered[tuple[int, ...], bytes](bytes)
    for number in range(10_000):
        value = (number % 256, number // 256)
        assert remembered.of(value, keep=number % 3 > 0) == bytes(value)


@dataclass(frozen=True)
class Thing:
    name: str
    size: int
    colour: str = "red"


def test_fields_that_were_met_together_are_not_made_again() -> None:
    made: list[Thing] = []

    def make(thing: Thing) -> str:
        made.append(thing)
        return f"{thing.name}, {thing.size}"

    remembered = RememberedFields[Thing, str](("name", "size"), make)
    thing = Thing("a", 1)
    assert remembered.of(thing) == remembered.of(replace(thing, colour="blue"))
    assert made == [thing]


def test_one_field_that_is_another_makes_it_anew() -> None:
    remembered = RememberedFields[Thing, int](("name", "size"), lambda one: one.size)
    thing = Thing("a", 1)
    assert remembered.of(thing) == 1
    assert remembered.of(replace(thing, size=2)) == 2
    assert remembered.of(thing) == 1
