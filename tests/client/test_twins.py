"""The blocking client and the one for asyncio offer the same, and do the same."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import longshore
from longshore import (
    AsyncClient,
    AsyncJob,
    AsyncWatch,
    Client,
    JobCancelled,
    JobHandle,
    NotFound,
    Watch,
)
from longshore.v1 import (
    image_pb2,
    image_service_pb2,
    job_options_pb2,
    job_pb2,
    job_service_pb2,
    rate_limit_pb2,
    system_service_pb2,
)
from tests.support.fakeserver import FakeServer, Lost

TWINS = [(Client, AsyncClient), (JobHandle, AsyncJob), (Watch, AsyncWatch)]


def shape(kind: type) -> dict[str, list[tuple[str, Any, Any]]]:
    """Public methods with their parameters: name, kind, default."""
    return {
        name: [
            (parameter.name, parameter.kind, parameter.default)
            for parameter in inspect.signature(member).parameters.values()
        ]
        for name, member in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(("blocking", "asynchronous"), TWINS)
def test_twins_have_the_same_methods(blocking: type, asynchronous: type) -> None:
    assert shape(blocking) == shape(asynchronous)


@pytest.mark.parametrize(("blocking", "asynchronous"), TWINS)
def test_twins_have_the_same_properties(blocking: type, asynchronous: type) -> None:
    def properties(kind: type) -> set[str]:
        return {
            name
            for name, member in inspect.getmembers(kind)
            if isinstance(member, property)
        }

    assert properties(blocking) == properties(asynchronous)


def test_every_name_that_is_offered_exists() -> None:
    assert [name for name in longshore.__all__ if not hasattr(longshore, name)] == []


def test_client_and_daemon_have_one_version() -> None:
    import longshored

    assert longshore.__version__ == longshored.__version__


Story = Callable[[AsyncClient], Awaitable[Any]]


def told(server: FakeServer, story: Story) -> Any:
    async def run() -> Any:
        async with AsyncClient(server.address) as client:
            return await story(client)

    return asyncio.run(run())


def test_a_job_is_made_and_waited_for(server: FakeServer) -> None:
    async def story(client: AsyncClient) -> job_pb2.Job:
        handle = await client.pull("/top", base=("/base", "raw"))
        assert handle.is_new
        return await handle.wait()

    job = server.put("made", "SUCCEEDED")
    server.answers["CreateJob"] = job_service_pb2.CreateJobResponse(job=job)
    server.fail("CreateJob", Lost())
    assert told(server, story).job_id == "made"
    first, second = server.called("CreateJob")
    assert first == second


def test_the_verbs_are_sent_as_asked_for(server: FakeServer) -> None:
    async def story(client: AsyncClient) -> None:
        handle = client.job("a")
        await handle.pause("lunch", expected_revision=4)
        await handle.resume()
        await handle.set_speed(5)
        await handle.update(job_options_pb2.JobOptions(priority=1), paths=["priority"])
        await handle.complete()
        await handle.finalize()
        await handle.cancel("enough", force=True)
        await handle.dismiss()

    told(server, story)
    assert [method for method, _ in server.calls] == [
        "PauseJob",
        "ResumeJob",
        "UpdateJob",
        "UpdateJob",
        "CompleteJob",
        "FinalizeJob",
        "CancelJob",
        "DismissJob",
    ]
    assert server.called("PauseJob")[0] == job_service_pb2.PauseJobRequest(
        job_id="a", comment="lunch", expected_revision=4
    )
    assert server.called("CancelJob")[0].force


def test_images_are_shown_mapped_and_made(server: FakeServer) -> None:
    async def story(client: AsyncClient) -> list[int]:
        await client.image("/top", backing_chain=[("/base", "raw")])
        await client.create_image(image_service_pb2.CreateImageRequest())
        return [run.start_bytes async for run in client.map("/top")]

    extent = image_pb2.MapExtent(start_bytes=512)
    server.answers["MapImage"] = image_service_pb2.MapImageResponse(extents=[extent])
    assert told(server, story) == [512]
    assert server.called("GetImage")[0].backing_chain[0].format == "raw"


def test_groups_plans_lists_and_capabilities_are_there(server: FakeServer) -> None:
    async def story(client: AsyncClient) -> list[str]:
        group = await client.create_group(job_service_pb2.CreateJobGroupRequest())
        await client.capabilities()
        await client.plan(job_info())
        listed = [job.job_id async for job in client.list()]
        return [*(handle.job_id for handle in group), *listed]

    server.put("listed")
    server.answers["CreateJobGroup"] = job_service_pb2.CreateJobGroupResponse(
        jobs=[job_pb2.Job(job_id="grouped")]
    )
    assert told(server, story) == ["grouped", "listed"]


def test_limits_are_shown_and_set(server: FakeServer) -> None:
    async def story(client: AsyncClient) -> list[str]:
        limit = rate_limit_pb2.RateLimit(iops=3)
        await client.limit("daemon", limit)
        await client.limit("8:0", limit, paths=["iops", "burst_operations"])
        await client.limit(Path("/srv/top.qcow2"), limit)
        await client.update_group("g", limit)
        return [found.actor for found in await client.rate_limits()]

    found = rate_limit_pb2.SharedRateLimit(actor="me")
    server.answers["GetRateLimits"] = system_service_pb2.GetRateLimitsResponse(
        rate_limits=[found]
    )
    assert told(server, story) == ["me"]
    asked = server.called("UpdateRateLimits")
    assert [one.scope.WhichOneof("scope") for one in asked] == [
        "daemon",
        "device",
        "image_uri",
    ]
    assert list(asked[1].update_mask.paths) == ["iops", "burst_operations"]
    assert server.called("UpdateJobGroup")[0].group_id == "g"
    assert not server.called("GetRateLimits")[0].HasField("scope")


def job_info() -> Any:
    return job_pb2.Job().info


def test_errors_are_the_same(server: FakeServer) -> None:
    async def missing(client: AsyncClient) -> None:
        await client.job("nobody").get()

    async def cancelled(client: AsyncClient) -> None:
        await client.job("a").wait()

    server.put("a", "CANCELLED")
    with pytest.raises(NotFound):
        told(server, missing)
    with pytest.raises(JobCancelled):
        told(server, cancelled)


def test_many_calls_go_out_at_once(server: FakeServer) -> None:
    async def story(client: AsyncClient) -> int:
        waits = [client.job("a").wait() for _ in range(20)]
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.to_thread(
            server.wait_for, lambda fake: len(fake.called("WaitJob")) == 20
        )
        await asyncio.to_thread(server.put, "a", "SUCCEEDED")
        return len(await asyncio.gather(*tasks))

    server.put("a")
    assert told(server, story) == 20


def test_a_cancelled_task_ends_its_call(server: FakeServer) -> None:
    async def story(client: AsyncClient) -> None:
        task = asyncio.ensure_future(client.job("a").wait())
        await asyncio.to_thread(
            server.wait_for, lambda fake: bool(fake.called("WaitJob"))
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    server.put("a")
    told(server, story)


def test_a_client_may_be_made_before_its_loop(server: FakeServer) -> None:
    client = AsyncClient(server.address)

    async def story() -> str:
        async with client:
            return (await client.job("a").get()).job_id

    server.put("a")
    assert asyncio.run(story()) == "a"


def test_a_closed_client_says_so(server: FakeServer) -> None:
    async def story() -> None:
        client = AsyncClient(server.address)
        await client.close()
        await client.capabilities()

    with pytest.raises(RuntimeError, match="closed"):
        asyncio.run(story())
