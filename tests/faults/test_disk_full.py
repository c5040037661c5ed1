"""A disk that is full: in the data, in the tables, in the store. Nobody falls over."""

from pathlib import Path

import pytest

from longshore import Client, Snapshot
from longshore.errors import NoSpace, from_status
from longshore.requests import Submit, pull_info
from longshore.v1 import job_options_pb2, job_pb2, job_service_pb2
from longshored.units import KiB, MiB
from tests.faults.chains import Chain, Templates
from tests.faults.checkers import at_any_instant, when_pulled
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.process import Daemon, serving
from tests.faults.rig import none
from tests.faults.workload import JOB_SECONDS, pull_of

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

SHAPES = ("raw", "tiny", "tiny-snapshot", "tiny-keeps")

STOPS = job_options_pb2.JobOptions(
    target_error_policy=job_options_pb2.ErrorPolicy(
        action=job_options_pb2.ERROR_ACTION_ENOSPC_STOP
    )
)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pull_fails_by_name_and_leaves_the_image_valid(
    place: Path, templates: Templates, shape: str
) -> None:
    with small_disk(place / "images", 64 * MiB) as disk, serving(place) as daemon:
        chain = templates.copy(shape, place / "images" / shape)
        sources = chain.sources()
        disk.leave(512 * KiB)
        with daemon.client() as client:
            job = client.create(pull_of(chain))
            ended = job.wait(JOB_SECONDS, raise_on_failure=False)
            assert ended.state == job_pb2.JOB_STATE_FAILED
            assert reason_of(ended) == "NO_SPACE"
            none(at_any_instant(chain, sources))
            disk.leave(16 * MiB)
            again = client.create(pull_of(chain))
            again.wait(JOB_SECONDS)
        none(when_pulled(chain, sources))


def test_a_plan_says_before_that_the_disk_may_become_full(
    place: Path, templates: Templates
) -> None:
    with small_disk(place / "images", 64 * MiB) as disk, serving(place) as daemon:
        chain = templates.copy("qcow2", place / "images" / "qcow2")
        with daemon.client() as client:
            info = pull_info((chain.top, "qcow2"), None, ())
            assert not client.plan(info).obstacles
            disk.leave(512 * KiB)
            plan = client.plan(info)
        (obstacle,) = map(from_status, plan.obstacles)
        assert isinstance(obstacle, NoSpace)
        assert str(plan.space_needed_bytes) in str(obstacle)
        assert f"{plan.space_available_bytes} bytes free" in str(obstacle)
        assert plan.space_available_bytes == disk.free()
        # It may do all the same, and may be made.
        assert plan.HasField("queue_position")
        assert plan.queue_position == 0


@pytest.mark.parametrize("shape", SHAPES)
def test_a_pull_that_stops_at_a_full_disk_goes_on_as_often_as_space_returns(
    place: Path, templates: Templates, shape: str
) -> None:
    with small_disk(place / "images", 64 * MiB) as disk, serving(place) as daemon:
        chain = templates.copy(shape, place / "images" / shape)
        sources = chain.sources()
        disk.leave(0)
        with daemon.client() as client:
            info = pull_of(chain)
            job = client.create(info, Submit(options=STOPS))
            stops, seen = 0, 1
            while stopped(wait_stopped(client, job.job_id, seen)):
                stops += 1
                none(at_any_instant(chain, sources))
                grow(disk)
                seen = job.resume().revision
            assert stops >= 3
        none(when_pulled(chain, sources))


def wait_stopped(client: Client, job_id: str, seen: int) -> job_pb2.Job:
    """The job when it has stopped once more, or has ended."""
    while True:
        request = job_service_pb2.WaitJobRequest(job_id=job_id, after_revision=seen)
        request.timeout.FromSeconds(20)
        answer = client.stub().WaitJob(request, timeout=JOB_SECONDS)
        assert answer.reached, answer.job
        job: job_pb2.Job = answer.job
        if job.pauses or job.HasField("end_time"):
            return job
        seen = job.revision


def grow(disk: SmallDisk) -> None:
    # Odd steps: the space ends in data, in a table, in a counter block.
    disk.leave(disk.free() + 100 * KiB)


def stopped(job: job_pb2.Job) -> bool:
    if job.state != job_pb2.JOB_STATE_PAUSED:
        assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job
        return False
    (pause,) = job.pauses
    assert pause.holder == job_pb2.PAUSE_HOLDER_ERROR_POLICY
    return True


def reason_of(job: job_pb2.Job) -> str:
    error = from_status(job.error)
    return "" if error is None else error.reason


class FullStore:
    """A daemon whose state directory has no space left."""

    def __init__(self, disk: SmallDisk, daemon: Daemon, chain: Chain) -> None:
        self.disk = disk
        self.daemon = daemon
        self.chain = chain
        self.acknowledged: list[str] = []

    def create(self, client: Client) -> None:
        """One more job that waits; what the daemon promises is noted."""
        paused = job_options_pb2.JobOptions()
        paused.earliest_start_time.FromSeconds(1 << 32)
        info = pull_info((self.chain.top, "qcow2"), None, ())
        queue = job_service_pb2.ON_CONFLICT_QUEUE
        submit = Submit(options=paused, labels={"x": "y" * 200}, on_conflict=queue)
        self.acknowledged.append(client.create(info, submit).job_id)

    def fill(self, client: Client) -> NoSpace:
        """Create until the store says no."""
        self.disk.leave(64 * KiB)
        for _ in range(2000):
            try:
                self.create(client)
            except NoSpace as error:
                return error
        raise AssertionError("the store never became full")

    def cancel_all(self, client: Client) -> NoSpace | None:
        for job_id in self.acknowledged:
            try:
                client.job(job_id).cancel()
            except NoSpace as error:
                return error
        return None

    def lost(self, client: Client) -> set[str]:
        there = {job.job_id for job in client.list(page_size=1000)}
        return set(self.acknowledged) ^ there


def test_a_full_store_refuses_changes_answers_reads_and_recovers(
    place: Path, templates: Templates
) -> None:
    with small_disk(place / "state", 64 * MiB) as disk, serving(place) as daemon:
        full = FullStore(disk, daemon, templates.copy("raw", place / "images" / "raw"))
        with daemon.client() as client:
            full.create(client)
            error = full.fill(client)
            assert error.code.name == "RESOURCE_EXHAUSTED"
            first = client.job(full.acknowledged[0])
            assert first.get().state == job_pb2.JOB_STATE_QUEUED
            with client.watch() as watch:
                snapshot = next(iter(watch))
                assert isinstance(snapshot, Snapshot)
                assert len(snapshot.jobs) == len(full.acknowledged)
            refused = full.cancel_all(client)
            assert refused is not None
            assert daemon.is_alive
            disk.leave(8 * MiB)
            full.create(client)
            assert full.lost(client) == set()
        daemon.kill()
        daemon.start()
        with daemon.client() as client:
            assert full.lost(client) == set()


def test_a_pull_lives_through_a_store_that_is_full_for_a_while(
    place: Path, templates: Templates
) -> None:
    with small_disk(place / "state", 64 * MiB) as disk, serving(place) as daemon:
        chain = templates.copy("raw", place / "images" / "raw")
        other = templates.copy("raw", place / "images" / "other")
        full = FullStore(disk, daemon, other)
        sources = chain.sources()
        with daemon.client() as client:
            options = job_options_pb2.JobOptions(speed_bytes_per_second=MiB)
            info = pull_info((chain.top, "qcow2"), None, ())
            job = client.create(info, Submit(options=options))
            job.wait(JOB_SECONDS, states=(job_pb2.JOB_STATE_RUNNING,))
            full.fill(client)
            none(at_any_instant(chain, sources))
            disk.leave(8 * MiB)
            ended = job.wait(JOB_SECONDS, raise_on_failure=False)
            assert ended.state == job_pb2.JOB_STATE_SUCCEEDED, ended.error
        none(when_pulled(chain, sources))
