"""No reference in an image leads out of the roots, whatever is asked of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from longshore import Client
from tests.faults.arena import Arena, shows_canary
from tests.faults.calls import OPENERS, READERS, SLOWEST_SECONDS, ask, jobs_of
from tests.faults.process import Daemon, serving
from tests.faults.references import REFERENCES, Reference

pytestmark = pytest.mark.slow


@dataclass(frozen=True, slots=True)
class Hall:
    """One daemon for all vectors, in an arena."""

    arena: Arena
    daemon: Daemon
    client: Client
    numbers: "count[int]"

    def new_name(self) -> str:
        return f"top-{next(self.numbers)}"

    def secrets(self) -> list[Path]:
        """Files of the daemon in which no canary may be found."""
        place = self.daemon.place
        return [place.log, *place.state.iterdir()]


@pytest.fixture(scope="module")
def hall() -> Iterator[Hall]:
    with TemporaryDirectory(prefix="ls-") as directory:
        arena = Arena(Path(directory))
        arena.build()
        with serving(arena.directory) as daemon, daemon.client() as client:
            yield Hall(arena, daemon, client, count())
            assert daemon.is_alive


def test_there_are_as_many_vectors_as_were_promised() -> None:
    assert len(REFERENCES) >= 60


@pytest.mark.parametrize("vector", REFERENCES, ids=lambda one: ascii(one.name)[:40])
def test_a_hostile_reference_is_refused_by_every_call(
    hall: Hall, vector: Reference
) -> None:
    top = vector.build(hall.arena, hall.new_name())
    before = hall.arena.state()
    for name, call in READERS.items():
        if vector.is_shown and name not in OPENERS:
            continue
        answer = ask(call, hall.client, str(top))
        assert answer.reason in vector.reasons, (name, answer)
        assert answer.seconds < SLOWEST_SECONDS, (name, answer)
        assert not shows_canary(answer.text), name
        assert names_where(answer.text, top), (name, answer)
    assert hall.arena.state() == before
    assert jobs_of(hall.client) == 0
    assert [path for path in hall.secrets() if shows_canary(path.read_bytes())] == []


def names_where(text: str, top: Path) -> bool:
    """The error names an image of the chain, so that somebody can find it."""
    return str(top.parent) in text
