"""What a scenario expects, compared with what came: pure.

A dictionary wants its keys and lets others be; null wants a key absent or null. A
list wants its items, all of them. Everything else must be equal. What begins with $
is a name whose value was saved before, or, as the only key of a dictionary, a test.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any

Names = Mapping[str, Any]

_NAME = re.compile(r"\$\{?(\w+)\}?")


class Unknown(Exception):
    """A scenario names what was never saved, or a test that there is not."""


def filled(wish: Any, names: Names) -> Any:
    """The same with every $name replaced; a text that is only a name may become
    anything.
    """
    if isinstance(wish, dict):
        return {filled(key, names): filled(value, names) for key, value in wish.items()}
    if isinstance(wish, list):
        return [filled(one, names) for one in wish]
    if not isinstance(wish, str):
        return wish
    if whole := _NAME.fullmatch(wish):
        return names.get(whole[1], wish)
    return _NAME.sub(lambda found: _text(found, names), wish)


def _text(found: re.Match[str], names: Names) -> str:
    return str(names[found[1]]) if found[1] in names else found[0]


def misses(wish: Any, found: Any, at: str = "") -> Iterator[str]:
    """What is not as wished, each with its place."""
    match wish:
        case {**tests} if tests and all(str(key).startswith("$") for key in tests):
            for name, argument in tests.items():
                if name not in _TESTS:
                    raise Unknown(f"no test {name!r}")
                if not _TESTS[name](argument, found):
                    yield f"{at or '.'} is {found!r}, not {name} {argument!r}"
        case dict():
            yield from _fields(wish, found, at)
        case [*items]:
            yield from _items(items, found, at)
        case _ if wish != found or isinstance(wish, bool) != isinstance(found, bool):
            yield f"{at or '.'} is {found!r}, not {wish!r}"


def _fields(fields: Mapping[str, Any], found: Any, at: str) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f"{at or '.'} is {found!r}, not an object"
        return
    for key, wish in fields.items():
        yield from misses(wish, found.get(key), f"{at}.{key}")


def _items(items: list[Any], found: Any, at: str) -> Iterator[str]:
    if not isinstance(found, list) or len(found) != len(items):
        yield f"{at or '.'} is {found!r}, not {len(items)} items {items!r}"
        return
    for number, (wish, one) in enumerate(zip(items, found, strict=True)):
        yield from misses(wish, one, f"{at}[{number}]")


def taken(path: str, found: Any) -> Any:
    """The value at a path such as job.nodes.0.uri."""
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found


def _column(argument: Mapping[str, Any], found: Any) -> bool:
    """One field of every item, in order."""
    rows = [taken(argument["of"], one) for one in found]
    return rows == [str(one) for one in argument["is"]]


def _rising(path: str, found: Any) -> bool:
    numbers = [int(taken(path, one)) for one in found]
    return all(a < b for a, b in pairwise(numbers))


_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "$length": lambda count, found: len(found or ()) == count,
    "$at_least": lambda low, found: float(found or 0) >= float(low),
    "$at_most": lambda high, found: float(found or 0) <= float(high),
    "$number": lambda number, found: float(found or 0) == float(number),
    "$one_of": lambda choices, found: found in choices,
    "$not": lambda wish, found: found != wish,
    "$has": lambda item, found: any(not list(misses(item, one)) for one in found or ()),
    "$lacks": lambda item, found: all(list(misses(item, one)) for one in found or ()),
    "$matches": lambda pattern, found: re.search(pattern, str(found)) is not None,
    "$set": lambda is_set, found: bool(found) == is_set,
    "$column": _column,
    "$rising": _rising,
}
