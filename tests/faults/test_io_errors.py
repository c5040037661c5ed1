"""EIO on read, on write, on fsync: never zeros, by policy, and no second fsync."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import (  # type: ignore[import-untyped]  # ships no types
    health_pb2,
    health_pb2_grpc,
)

from longshore import Client, JobHandle
from longshore.errors import ServiceError, from_call, from_status
from longshore.requests import Submit, pull_info
from longshore.v1 import job_options_pb2, job_pb2, job_service_pb2
from longshored.units import KiB
from tests.faults.chains import Chain, Templates
from tests.faults.checkers import at_any_instant, when_pulled
from tests.faults.disks import FLUSHES, READS, WRITES, Injection, failing
from tests.faults.process import Daemon, serving
from tests.faults.rig import none
from tests.faults.workload import JOB_SECONDS

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

Action = job_options_pb2.ErrorAction

# Half a minute for an image: the job is at work until it is let go, on any machine.
SLOW = 128 * KiB


@dataclass(slots=True)
class Bench:
    """One daemon, one chain, one pull."""

    daemon: Daemon
    client: Client
    chain: Chain
    sources: dict[str, str]
    log: Path

    def pull(self, action: str, speed: int | None = None) -> JobHandle:
        policy = job_options_pb2.ErrorPolicy(
            action=Action.Value(f"ERROR_ACTION_{action}")
        )
        if action == "RETRY":
            policy.retry_count = 3
            policy.retry_backoff.FromMilliseconds(10)
        options = job_options_pb2.JobOptions(
            source_error_policy=policy,
            target_error_policy=policy,
            speed_bytes_per_second=speed,
        )
        return self.client.create(
            pull_info((self.chain.top, "qcow2"), None, ()), Submit(options=options)
        )

    @contextmanager
    def failing(self, path: Path, calls: str) -> Iterator[Injection]:
        with failing(self.daemon.pid, path, calls, "EIO", self.log) as injection:
            yield injection

    def check(self) -> None:
        none(at_any_instant(self.chain, self.sources))

    def check_pulled(self) -> None:
        none(when_pulled(self.chain, self.sources))


@pytest.fixture
def bench(place: Path, templates: Templates) -> Iterator[Bench]:
    with serving(place) as daemon, daemon.client() as client:
        chain = templates.copy("raw", place / "images" / "raw")
        yield Bench(daemon, client, chain, chain.sources(), place / "strace")


def failed(job: JobHandle, reason: str = "IO_ERROR") -> ServiceError:
    """The error of a job that must fail so."""
    ended = job.wait(JOB_SECONDS, raise_on_failure=False)
    assert ended.state == job_pb2.JOB_STATE_FAILED
    error = from_status(ended.error)
    assert error is not None
    assert error.reason == reason, error.message
    return error


@pytest.mark.parametrize("action", ["REPORT", "SKIP", "RETRY"])
def test_a_read_error_ends_a_pull_and_never_becomes_zeros(
    bench: Bench, action: str
) -> None:
    base = bench.chain.directory / "base.raw"
    with bench.failing(base, READS) as injection:
        error = failed(bench.pull(action))
        assert len(injection.end()) >= (4 if action == "RETRY" else 1)
    assert error.metadata["uri"] == str(base)
    bench.check()
    bench.pull("REPORT").wait(JOB_SECONDS)
    bench.check_pulled()


def test_a_pull_that_stops_at_a_read_error_goes_on_when_it_is_told_to(
    bench: Bench,
) -> None:
    with bench.failing(bench.chain.directory / "base.raw", READS):
        job = bench.pull("STOP")
        paused = job.wait(JOB_SECONDS, states=(job_pb2.JOB_STATE_PAUSED,))
        (pause,) = paused.pauses
        assert pause.holder == job_pb2.PAUSE_HOLDER_ERROR_POLICY
        bench.check()
    job.resume()
    assert job.wait(JOB_SECONDS).state == job_pb2.JOB_STATE_SUCCEEDED
    bench.check_pulled()


@pytest.mark.parametrize("action", ["REPORT", "RETRY"])
def test_a_write_error_ends_a_pull_and_the_image_stays_valid(
    bench: Bench, action: str
) -> None:
    with bench.failing(bench.chain.top, WRITES):
        error = failed(bench.pull(action))
    assert error.metadata["uri"] == str(bench.chain.top)
    bench.check()
    bench.pull("REPORT").wait(JOB_SECONDS)
    bench.check_pulled()


@pytest.mark.parametrize("action", ["REPORT", "RETRY", "STOP"])
def test_an_fsync_that_failed_is_never_tried_again(bench: Bench, action: str) -> None:
    with bench.failing(bench.chain.top, FLUSHES) as injection:
        failed(bench.pull(action))
        assert len(injection.end()) == 1
    bench.check()


def test_an_fsync_that_fails_in_the_middle_ends_the_pull(bench: Bench) -> None:
    job = bench.pull("RETRY", SLOW)
    job.wait(JOB_SECONDS, states=(job_pb2.JOB_STATE_RUNNING,))
    with bench.failing(bench.chain.top, FLUSHES) as injection:
        job.set_speed(None)
        failed(job)
        assert len(injection.end()) == 1
    bench.check()


def test_a_store_that_cannot_write_stops_writing_and_loses_nothing(
    bench: Bench,
) -> None:
    first = bench.pull("REPORT", 64 * KiB)
    log = bench.daemon.place.state / "jobs.sqlite-wal"
    with bench.failing(log, FLUSHES):
        assert refused_pause(bench.client, first) == "STORE_UNAVAILABLE"
    # What came of it is not known: nobody may write over it.
    assert refused_pause(bench.client, first) == "STORE_UNAVAILABLE"
    assert first.get().job_id == first.job_id
    assert says_not_serving(bench.client)
    assert bench.daemon.stop() == 0
    bench.check()
    bench.daemon.start()
    # The pause may have happened or not.
    first.resume()
    first.set_speed(None)
    assert first.wait(JOB_SECONDS).state == job_pb2.JOB_STATE_SUCCEEDED
    bench.check_pulled()


def says_not_serving(client: Client) -> bool:
    """True as soon as the daemon's health says so."""
    with grpc.insecure_channel(client.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
        return any(
            answer.status == not_serving
            for answer in stub.Watch(request, timeout=JOB_SECONDS)
        )


def refused_pause(client: Client, job: JobHandle) -> str:
    """The reason, of one call: the library would come back for a while."""
    request = job_service_pb2.PauseJobRequest(job_id=job.job_id)
    with pytest.raises(grpc.RpcError) as caught:
        client.stub().PauseJob(request, timeout=JOB_SECONDS)
    error = from_call(caught.value)
    assert isinstance(error, ServiceError)
    return error.reason
