"""Images whose disk has another number after a start are held under their new names."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from longshored.errors import Kind, ServiceError
from longshored.job.nodes import Node
from longshored.job.states import State, Verb
from longshored.scheduler.pool import Pool
from longshored.scheduler.recognise import Recogniser
from tests.scheduler.house import House
from tests.support.drivers import KIND, Scripted, Steady, node


@pytest.fixture
def after(house: House, driver: Scripted) -> Iterator[House]:
    """The next life, in which an image that a paused job holds is called otherwise."""
    steady = Steady()
    driver.script("a", run=steady)
    job = house.create("a")
    assert steady.begun.wait(20)
    house.apply(Verb.PAUSE, job)
    house.wait(job, State.PAUSED)
    later = Scripted()
    later.renamed["a"] = "a, renumbered"
    later.script("again", nodes=(node("a, renumbered"),))
    later.script("other", nodes=(node("a"),))
    next_life = house.crash(later)
    yield next_life
    steady.finish.set()
    next_life.close()


def test_a_new_job_meets_the_old_one_under_the_new_name(after: House) -> None:
    with pytest.raises(ServiceError) as caught:
        after.create("again")
    assert caught.value.kind is Kind.TARGET_BUSY
    after.wait(after.create("other"), State.SUCCEEDED)


def test_the_new_name_is_on_record(after: House) -> None:
    (adopted,) = {change.job.job_id for change in after.changes}
    assert [one.key for one in after.reader.get(adopted).nodes] == ["a, renumbered"]
    assert after.scheduler.holders("a, renumbered") == [adopted]
    assert after.scheduler.holders("a") == []


class Hanging(Scripted):
    """A driver whose file system answers only when a gate opens."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def identify(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        assert self.gate.wait(20)
        return super().identify(nodes)


def test_a_file_system_that_does_not_answer_does_not_keep_a_daemon_from_serving(
    house: House, driver: Scripted
) -> None:
    pool, hanging = Pool(), Hanging()
    driver.script("a")
    hanging.renamed["a"] = "a, renumbered"
    recogniser = Recogniser(pool, {KIND: hanging})
    job = house.create("a")
    assert recogniser.look([job], patience=0.05) == {}
    hanging.gate.set()
    assert pool.join(20)
    (renamed,) = recogniser.look([job])[job.number]
    assert renamed.key == "a, renumbered"
