"""Watches under disconnects, lags, compaction and restarts; lists that converge."""

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from longshore.v1 import job_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.app.daemon import Tuning
from longshored.store.retain import Retention
from tests.support.calls import create, finished, watching
from tests.support.daemon import LocalDaemon, Place, Stubs
from tests.support.drivers import Scripted
from tests.support.follower import Follower

# A log so short that a follower who lags loses its place now and then.
SHORT = Tuning(event_log=Retention(fewest=40, shortest=0, most=60), memory_log=16)


class World:
    """A daemon that comes and goes, and what happens to its jobs."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self._config = Place(directory).config()
        self._made = 0
        self.stubs = self._start()

    def _start(self) -> Stubs:
        self._daemon = LocalDaemon(
            self._config, drivers=[Scripted()], tuning=SHORT
        ).start()
        return self._daemon.connect()

    def close(self) -> None:
        # The daemon first: streams hear that it goes, not that we hang up.
        self._daemon.stop()
        self.stubs.close()

    def restart(self) -> None:
        self.close()
        self.stubs = self._start()

    def create(self) -> None:
        self._made += 1
        create(self.stubs, f"d{self._made}", job_id=f"job-{self._made}")

    def dismiss(self) -> None:
        """The oldest job that is still there, once it has ended."""
        jobs = self.list()
        if jobs:
            name = jobs[-1].job_id
            finished(self.stubs, name)
            self.stubs.jobs.DismissJob(pb.DismissJobRequest(job_id=name))

    def list(self) -> list[job_pb2.Job]:
        return list(self.stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=500)).jobs)

    def settle(self) -> int:
        """The head once every job has ended."""
        for job in self.list():
            finished(self.stubs, job.job_id)
        return self.stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=1)).cursor.revision


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_every_change_comes_once_and_in_order_whatever_breaks(
    tmp_path: Path, worlds: ExitStack, seed: int
) -> None:
    world = World(tmp_path, seed)
    worlds.callback(world.close)
    followers = [Follower() for _ in range(3)]
    for _ in range(80):
        happening = world.chance.random()
        if happening < 0.55:
            world.create()
        elif happening < 0.65:
            world.dismiss()
        elif happening < 0.70:
            world.restart()
        elif happening < 0.80:
            world.chance.choice(followers).disconnect()
        else:
            # The last one reads least: it is the one that loses its place.
            follower = followers[min(world.chance.randrange(6), 2)]
            follower.read_until(world.stubs, world.settle())
    head = world.settle()
    for follower in followers:
        follower.read_until(world.stubs, head)
        assert follower.jobs == {job.job_id: job for job in world.list()}
        follower.disconnect()
    assert sum(follower.changes for follower in followers) > 60
    assert sum(follower.streams for follower in followers) > 3


@pytest.mark.slow
def test_a_follower_that_lost_its_place_starts_over(
    tmp_path: Path, worlds: ExitStack
) -> None:
    world = World(tmp_path, 1)
    worlds.callback(world.close)
    follower = Follower()
    world.create()
    follower.read_until(world.stubs, world.settle())
    follower.disconnect()
    for _ in range(20):
        world.create()
    head = world.settle()
    follower.read_until(world.stubs, head)
    assert follower.resyncs == 1
    assert follower.jobs == {job.job_id: job for job in world.list()}
    follower.disconnect()


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stubs]:
    place = Place(tmp_path_factory.mktemp("daemon"))
    daemon = LocalDaemon(place.config(), drivers=[Scripted()]).start()
    stubs = daemon.connect()
    yield stubs
    stubs.close()
    daemon.stop()


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    page_size=st.integers(1, 5),
    happenings=st.lists(st.sampled_from(["page", "create", "dismiss"]), max_size=16),
)
def test_w10_a_list_read_page_by_page_and_then_watched_converges(
    long_lived: Stubs, page_size: int, happenings: list[str]
) -> None:
    """Pages are read live while jobs come and go; the changes after the first
    page's cursor, applied if they are newer, make the list what it is."""
    jobs = long_lived.jobs
    held: dict[str, job_pb2.Job] = {}
    request = pb.ListJobsRequest(page_size=page_size)
    page = jobs.ListJobs(request)
    cursor = page.cursor
    held.update({job.job_id: job for job in page.jobs})
    names = [job.job_id for job in page.jobs]
    for happening in happenings:
        if happening == "create":
            names.append(create(long_lived).job_id)
            finished(long_lived, names[-1])
        elif happening == "dismiss" and names:
            name = names.pop()
            jobs.DismissJob(pb.DismissJobRequest(job_id=name, allow_missing=True))
        elif page.next_page_token:
            request.page_token = page.next_page_token
            page = jobs.ListJobs(request)
            assert page.cursor == cursor
            held.update({job.job_id: job for job in page.jobs})
    while page.next_page_token:
        request.page_token = page.next_page_token
        page = jobs.ListJobs(request)
        held.update({job.job_id: job for job in page.jobs})
    truth = jobs.ListJobs(pb.ListJobsRequest(page_size=500))
    follower = Follower()
    follower.cursor = cursor
    with watching(long_lived, resume_after=cursor) as watch:
        while cursor.revision < truth.cursor.revision:
            frame = watch.next_of("events")
            cursor = frame.cursor
            for event in frame.events.events:
                known = held.get(event.job.job_id)
                if event.kind == 3:
                    held.pop(event.job.job_id, None)
                elif known is None or known.revision < event.revision:
                    held[event.job.job_id] = event.job
    assert held == {job.job_id: job for job in truth.jobs}
