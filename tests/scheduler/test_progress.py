"""The board of progress: the newest of each, and only what is news."""

from longshored.drivers.meter import Meter
from longshored.scheduler.progress import ProgressBoard, Running
from tests.support.clock import FakeClock


class Wall:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.running: list[Running] = []
        self.board = ProgressBoard(lambda: self.running, self.clock)

    def add(self, number: int) -> Meter:
        meter = Meter(self.clock)
        meter.expect(1000)
        self.running.append(Running(number, f"j{number}", meter))
        return meter

    def since(self, version: int) -> tuple[int, dict[int, int]]:
        self.clock.advance(1)
        now, samples = self.board.since(version)
        return now, {n: progress.current for n, (_, progress) in samples.items()}


def test_all_is_news_to_who_knows_nothing() -> None:
    wall = Wall()
    wall.add(1)
    wall.add(2)
    assert wall.since(0)[1] == {1: 0, 2: 0}


def test_only_what_has_moved_is_news() -> None:
    wall = Wall()
    wall.add(1)
    meter = wall.add(2)
    version, _ = wall.since(0)
    meter.done(0, 100)
    version, news = wall.since(version)
    assert news == {2: 100}
    for _ in range(200):  # the rate fades, and then it is still
        version, news = wall.since(version)
        assert 1 not in news
    assert wall.since(version) == (version, {})


def test_a_slow_watcher_gets_the_newest_only() -> None:
    wall = Wall()
    meter = wall.add(1)
    version, _ = wall.since(0)
    for step in range(5):
        meter.done(step * 10, 10)
        wall.since(version)
    assert wall.since(version)[1] == {1: 50}


def test_a_job_that_is_over_leaves_the_board() -> None:
    wall = Wall()
    wall.add(1)
    wall.since(0)
    wall.running.clear()
    assert wall.since(0)[1] == {}


def test_many_looks_at_once_measure_once() -> None:
    wall = Wall()
    meter = wall.add(1)
    wall.clock.advance(1)
    version, _ = wall.board.since(0)
    meter.done(0, 10)
    assert wall.board.since(version) == (version, {})


def test_a_job_that_rests_is_news_once() -> None:
    wall = Wall()
    meter = wall.add(1)
    version, _ = wall.since(0)
    meter.done(0, 100)
    version, _ = wall.since(version)
    meter.rest()
    version, news = wall.since(version)
    assert news == {1: 100}
    for _ in range(200):
        assert wall.since(version) == (version, {})
