"""Old and new: a client of the baseline at today's daemon, today's client at a daemon
of the baseline.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from longshore import Client, Event, NotFound, Snapshot
from longshore.v1 import job_pb2
from tests.support.daemon import Place

from .baseline import BASELINE, Contract, Stub
from .fake import ScriptedServer


@pytest.fixture(scope="module")
def old() -> Contract:
    return Contract(BASELINE.read_bytes())


@pytest.fixture
def channel(place: Place) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(place.address) as found:
        yield found


def image(old: Contract, place: Place, name: str) -> Any:
    format_ = name.rpartition(".")[2]
    return old.kind("ImageRef")(uri=str(place.root / name), format=format_)


@pytest.fixture
def created(old: Contract, place: Place, channel: grpc.Channel) -> Any:
    """A pull, made by the old client."""
    (place.root / "base.raw").write_bytes(bytes(range(256)) * 4096)
    images, jobs = (
        Stub(channel, old, service) for service in ("ImageService", "JobService")
    )
    base, top = (image(old, place, name) for name in ("base.raw", "top.qcow2"))
    images.CreateImage(old.kind("CreateImageRequest")(image=top, backing=base))
    request = old.kind("CreateJobRequest")(job_id="old", labels={"vm": "web-1"})
    request.info.block.pull.spec.top.CopyFrom(top)
    return jobs.CreateJob(request).job


def test_an_old_client_makes_a_job_and_waits(
    old: Contract, channel: grpc.Channel, created: Any
) -> None:
    jobs = Stub(channel, old, "JobService")
    assert (created.job_id, created.labels["vm"]) == ("old", "web-1")
    done = jobs.WaitJob(old.kind("WaitJobRequest")(job_id="old"))
    assert done.reached
    assert done.job.info.block.pull.result.copied_bytes == 1 << 20


def test_an_old_client_lists_and_watches(
    old: Contract, channel: grpc.Channel, created: Any
) -> None:
    jobs = Stub(channel, old, "JobService")
    listed = jobs.ListJobs(old.kind("ListJobsRequest")())
    assert [job.job_id for job in listed.jobs] == ["old"]
    request = old.kind("WatchJobsRequest")(stop_when_finished=True)
    request.resume_after.CopyFrom(listed.cursor)
    request.resume_after.revision = 0
    states = [
        event.job.state
        for frame in jobs.WatchJobs(request)
        for event in frame.events.events
    ]
    assert states[0] == job_pb2.JOB_STATE_QUEUED
    assert states[-1] == job_pb2.JOB_STATE_SUCCEEDED


def test_an_old_client_is_refused_by_reason(
    old: Contract, channel: grpc.Channel
) -> None:
    jobs = Stub(channel, old, "JobService")
    refused: Any
    with pytest.raises(grpc.RpcError) as refused:
        jobs.GetJob(old.kind("GetJobRequest")(job_id="nobody"))
    details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    status = old.kind("google.rpc.Status").FromString(details)
    assert "JOB_NOT_FOUND" in str(status)


class OldServer(ScriptedServer):
    """Understands and says only what the baseline knows."""

    def __init__(self, directory: Path, contract: Contract) -> None:
        super().__init__(directory)
        self._contract = contract

    def _handlers(self, service: Any) -> grpc.GenericRpcHandler:
        table = {}
        for method in service.methods:
            read = self._reader(method)
            write = self._writer(method)
            table[method.name] = (
                grpc.unary_stream_rpc_method_handler(self._watch, read, write)
                if method.server_streaming
                else grpc.unary_unary_rpc_method_handler(
                    self._unary(method), read, write
                )
            )
        return grpc.method_handlers_generic_handler(service.full_name, table)

    def _reader(self, method: Any) -> Any:
        kind = method.input_type
        return lambda packed: kind._concrete_class.FromString(
            self._contract.aged(kind.full_name, packed)
        )

    def _writer(self, method: Any) -> Any:
        name = method.output_type.full_name
        return lambda packed: self._contract.aged(name, packed)


@pytest.fixture
def old_server(tmp_path: Path, old: Contract) -> Iterator[OldServer]:
    server = OldServer(tmp_path, old)
    server.start()
    yield server
    server.end()


def test_a_client_of_today_is_at_home_with_an_old_daemon(old_server: OldServer) -> None:
    old_server.put("a")
    with Client(old_server.address) as client:
        assert client.job("a").get().state == job_pb2.JOB_STATE_RUNNING
        assert [job.job_id for job in client.list()] == ["a"]
        with pytest.raises(NotFound):
            client.job("b").get()
        with client.watch() as watch:
            values = iter(watch)
            assert isinstance(next(values), Snapshot)
            old_server.put("a", "SUCCEEDED")
            change = next(values)
        assert isinstance(change, Event)
        assert change.job.state == job_pb2.JOB_STATE_SUCCEEDED
        assert client.job("a").wait().job_id == "a"
