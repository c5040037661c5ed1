"""What a scenario may do on the side of the server: a stage, and none at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .scenario import Scenario

Fields = dict[str, Any]


class Stage:
    """A server and what surrounds it. `names` are what steps may say with a $."""

    def __init__(self, directory: Path, scenario: Scenario) -> None:
        self.directory = directory
        self.scenario = scenario
        self.names: Fields = {"directory": str(directory)}

    def open(self) -> None:
        """Start what the scenario needs."""

    def close(self) -> None:
        """End what `open` and the moves have started."""

    def move(self, verb: str, fields: Fields) -> Fields:
        """One move of the server's side: `move_<verb>` of the stage."""
        move = getattr(self, f"move_{verb}", None)
        assert move, f"{type(self).__name__} has no move {verb!r}"
        return move(**fields) or {}

    def move_same(self, values: list[Any]) -> None:
        """What was saved on the way must be one and the same."""
        assert all(value == values[0] for value in values), values


@contextmanager
def opened(stage: Stage) -> Iterator[Stage]:
    try:
        stage.open()
        yield stage
    finally:
        stage.close()
