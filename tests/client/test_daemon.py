"""The library against the daemon itself: what no fake can promise."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from longshore import (
    AsyncClient,
    Client,
    Event,
    ImageRefused,
    InvalidRequest,
    JobCancelled,
    NotFound,
    PermissionDenied,
    Snapshot,
    Submit,
    TargetBusy,
    WrongState,
)
from longshore.steps import request_id
from longshore.v1 import (
    image_pb2,
    image_service_pb2,
    job_options_pb2,
    job_pb2,
    job_service_pb2,
)
from longshored.config.settings import WatchSettings
from tests.support.daemon import DaemonProcess, LocalDaemon, Place

MiB = 1024**2

SLOWLY = Submit(options=job_options_pb2.JobOptions(speed_bytes_per_second=65536))

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def daemon(place: Place) -> Iterator[LocalDaemon]:
    started = LocalDaemon(place.config()).start()
    yield started
    started.stop_once()


@pytest.fixture
def client(place: Place, daemon: LocalDaemon) -> Iterator[Client]:
    with Client(place.address) as found:
        yield found


def overlay(client: Client, root: Path, name: str = "top") -> str:
    """An overlay on 2 MiB of raw data."""
    base, top = root / f"{name}-base.raw", root / f"{name}.qcow2"
    base.write_bytes(bytes(range(256)) * (2 * MiB // 256))
    client.create_image(
        image_service_pb2.CreateImageRequest(
            image=image_pb2.ImageRef(uri=str(top), format="qcow2"),
            backing=image_pb2.ImageRef(uri=str(base), format="raw"),
        )
    )
    return str(top)


def test_a_pull_is_made_and_waited_for(client: Client, place: Place) -> None:
    top = overlay(client, place.root)
    job = client.pull(top).wait(timeout=20)
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert [link.depth for link in client.image(top).chain] == [0]
    assert sum(run.length_bytes for run in client.map(top)) == 2 * MiB


def test_a_request_that_is_repeated_makes_one_job(client: Client, place: Place) -> None:
    top = overlay(client, place.root)
    once = Submit(request_id=request_id())
    first = client.pull(top, submit=once)
    second = client.pull(top, submit=once)
    assert (first.is_new, second.is_new) == (True, False)
    assert first.job_id == second.job_id


def test_a_job_is_steered(client: Client, place: Place) -> None:
    handle = client.pull(overlay(client, place.root), submit=SLOWLY)
    handle.pause("lunch")
    paused = handle.wait(timeout=10, states=[job_pb2.JOB_STATE_PAUSED])
    assert paused.state == job_pb2.JOB_STATE_PAUSED
    assert handle.set_speed(None).options.HasField("speed_bytes_per_second") is False
    with pytest.raises(WrongState) as wrong:
        handle.finalize()
    assert "RESUME" in wrong.value.allowed
    assert handle.cancel(wait=True).state == job_pb2.JOB_STATE_CANCELLED
    with pytest.raises(JobCancelled) as ended:
        handle.wait()
    assert ended.value.reason == "CANCELLED_BY_USER"
    assert handle.dismiss().job_id == handle.job_id
    with pytest.raises(NotFound):
        handle.get()


def test_errors_are_of_their_class(client: Client, place: Place) -> None:
    top = overlay(client, place.root)
    (place.root / "noise.qcow2").write_bytes(b"noise" * 1000)
    holder = client.pull(top, submit=SLOWLY)
    with pytest.raises(TargetBusy) as busy:
        client.pull(top)
    assert busy.value.blocking_job_id == holder.job_id
    with pytest.raises(ImageRefused):
        client.image(place.root / "noise.qcow2")
    with pytest.raises(NotFound):
        client.image(place.root / "nothing.qcow2")
    with pytest.raises(PermissionDenied):
        client.image("/etc/passwd")
    with pytest.raises(InvalidRequest) as invalid:
        client.pull(top, submit=Submit(job_id="Not Good"))
    assert invalid.value.field_violations[0].field == "job_id"
    holder.cancel(wait=True)


def test_a_list_of_many_pages_is_whole(client: Client, place: Place) -> None:
    top = overlay(client, place.root)
    for number in range(7):
        client.pull(top, submit=Submit(job_id=f"j{number}")).wait(timeout=20)
    listed = [job.job_id for job in client.list(page_size=3)]
    assert listed == [f"j{number}" for number in reversed(range(7))]


def test_a_group_is_finalized_as_one(client: Client, place: Place) -> None:
    tops = [overlay(client, place.root, name) for name in ("one", "two")]
    request = job_service_pb2.CreateJobGroupRequest()
    for top in tops:
        spec = request.members.add().info.block.pull.spec
        spec.top.uri, spec.top.format = top, "qcow2"
    jobs = client.create_group(request)
    assert [job.wait(timeout=20).state for job in jobs] == [
        job_pb2.JOB_STATE_SUCCEEDED
    ] * 2


def test_every_change_is_watched_across_a_kill_of_the_daemon(place: Place) -> None:
    process = DaemonProcess(place).start()
    with Client(place.address) as client:
        try:
            handle = client.pull(overlay(client, place.root), submit=SLOWLY)
            values = []
            for value in handle.watch(omit_progress=True):
                values.append(value)
                if isinstance(value, Snapshot):
                    process.kill()
                    process = DaemonProcess(place).start()
                    handle.set_speed(None)
            revisions = [one.revision for one in values if isinstance(one, Event)]
        finally:
            process.end()
    assert revisions == sorted(set(revisions))
    last = values[-1]
    assert isinstance(last, Event)
    assert last.job.state == job_pb2.JOB_STATE_SUCCEEDED


def test_a_watch_that_is_left_is_gone_from_the_daemon(place: Place) -> None:
    """A daemon that allows a client few watches at a time serves many in a row."""
    few = WatchSettings(most_per_client=10)
    daemon = LocalDaemon(place.config(watch=few)).start()
    try:
        with Client(place.address) as client:
            for _ in range(100):
                next(iter(client.watch(patience=0.5)))
    finally:
        daemon.stop_once()


def test_the_twin_for_asyncio_does_the_same(
    client: Client, place: Place, daemon: LocalDaemon
) -> None:
    top = overlay(client, place.root)

    async def story() -> list[str]:
        async with AsyncClient(place.address) as other:
            handle = await other.pull(top)
            await handle.wait(timeout=20)
            return [
                words
                async for value in handle.watch()
                for words in [type(value).__name__]
            ]

    assert asyncio.run(story()) == ["Snapshot"]
