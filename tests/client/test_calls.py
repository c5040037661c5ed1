"""Calls: what is sent, what is sent again, and what never is."""

import threading
import uuid
from typing import Any

import pytest

from longshore import (
    Client,
    Conflict,
    ConnectionFailed,
    LimitReached,
    NoSpace,
    NotFound,
    Submit,
    Unavailable,
    __version__,
)
from longshore.steps import request_id
from longshore.v1 import (
    image_pb2,
    image_service_pb2,
    job_options_pb2,
    job_pb2,
    job_service_pb2,
)
from tests.support.fakeserver import FakeServer, Lost
from tests.support.refusals import Code, Refusal, retry_info

GONE = Refusal(Code.UNAVAILABLE, message="connection refused")


def created(request: job_service_pb2.CreateJobRequest) -> Any:
    job = job_pb2.Job(job_id=request.job_id or "made")
    return job_service_pb2.CreateJobResponse(job=job)


def test_a_call_is_tried_four_times(client: Client, server: FakeServer) -> None:
    server.fail("GetJob", *[GONE] * 4)
    with pytest.raises(ConnectionFailed):
        client.job("a").get()
    assert len(server.called("GetJob")) == 4


def test_a_call_that_comes_through_at_last_succeeds(
    client: Client, server: FakeServer
) -> None:
    server.put("a")
    server.fail("GetJob", GONE, GONE)
    assert client.job("a").get().job_id == "a"


def test_a_starting_daemon_is_asked_again(client: Client, server: FakeServer) -> None:
    server.put("a")
    server.fail("GetJob", Refusal(Code.UNAVAILABLE, "SERVER_STARTING"))
    assert client.job("a").get().job_id == "a"


def test_an_answer_of_the_daemon_is_not_asked_for_again(
    client: Client, server: FakeServer
) -> None:
    with pytest.raises(NotFound):
        client.job("a").get()
    assert len(server.called("GetJob")) == 1


def test_a_limit_is_obeyed_when_it_ends_soon(
    client: Client, server: FakeServer
) -> None:
    server.put("a")
    soon = Refusal(Code.RESOURCE_EXHAUSTED, "RATE_LIMIT", details=(retry_info(0.01),))
    server.fail("GetJob", soon)
    assert client.job("a").get().job_id == "a"


def test_a_limit_that_ends_late_is_told_at_once(
    client: Client, server: FakeServer
) -> None:
    late = Refusal(Code.RESOURCE_EXHAUSTED, "JOB_LIMIT", details=(retry_info(60),))
    server.fail("CreateJob", late)
    with pytest.raises(LimitReached):
        client.pull("/top")
    assert len(server.called("CreateJob")) == 1


def test_a_full_disk_is_not_tried_again(client: Client, server: FakeServer) -> None:
    full = Refusal(Code.RESOURCE_EXHAUSTED, "NO_SPACE", details=(retry_info(0.01),))
    server.fail("CreateJob", full)
    with pytest.raises(NoSpace):
        client.pull("/top")
    assert len(server.called("CreateJob")) == 1


def test_a_create_keeps_its_request_id_over_retries(
    client: Client, server: FakeServer
) -> None:
    server.answers["CreateJob"] = created
    server.fail("CreateJob", Lost(), GONE)
    client.pull("/top")
    sent = [request.request_id for request in server.called("CreateJob")]
    assert len(sent) == 3
    assert len(set(sent)) == 1
    assert uuid.UUID(sent[0]).version == 7


def test_every_create_has_a_request_id_of_its_own(
    client: Client, server: FakeServer
) -> None:
    server.answers["CreateJob"] = created
    client.pull("/top")
    client.pull("/top")
    first, second = server.called("CreateJob")
    assert first.request_id != second.request_id


def test_a_request_id_of_the_caller_is_sent_as_it_is(
    client: Client, server: FakeServer
) -> None:
    server.answers["CreateJob"] = created
    mine = request_id()
    client.pull("/top", submit=Submit(request_id=mine))
    assert server.called("CreateJob")[0].request_id == mine


def test_a_group_gets_a_request_id_and_the_callers_message_stays_as_it_is(
    client: Client, server: FakeServer
) -> None:
    server.answers["CreateJobGroup"] = job_service_pb2.CreateJobGroupResponse(
        jobs=[job_pb2.Job(job_id="a"), job_pb2.Job(job_id="b")]
    )
    server.fail("CreateJobGroup", Lost())
    asked = job_service_pb2.CreateJobGroupRequest(group_id="g")
    jobs = client.create_group(asked)
    first, second = server.called("CreateJobGroup")
    assert first == second
    assert first.request_id
    assert not asked.request_id
    assert [job.job_id for job in jobs] == ["a", "b"]


@pytest.mark.parametrize(
    ("answer", "is_new"),
    [({}, True), ({"replayed": True}, False), ({"existing": True}, False)],
)
def test_a_handle_says_whether_the_job_is_new(
    client: Client, server: FakeServer, answer: dict[str, bool], is_new: bool
) -> None:
    job = job_pb2.Job(job_id="a")
    server.answers["CreateJob"] = job_service_pb2.CreateJobResponse(job=job, **answer)
    assert client.pull("/top").is_new is is_new


def test_an_image_is_not_made_twice(client: Client, server: FakeServer) -> None:
    server.fail("CreateImage", Lost())
    request = image_service_pb2.CreateImageRequest(image=image_pb2.ImageRef(uri="/a"))
    with pytest.raises(ConnectionFailed):
        client.create_image(request)
    assert len(server.called("CreateImage")) == 1


def test_a_verb_that_expects_a_revision_is_not_sent_twice(
    client: Client, server: FakeServer
) -> None:
    server.fail("PauseJob", Lost())
    with pytest.raises(ConnectionFailed):
        client.job("a").pause(expected_revision=7)
    assert [one.expected_revision for one in server.called("PauseJob")] == [7]


def test_a_revision_that_has_passed_is_a_conflict(
    client: Client, server: FakeServer
) -> None:
    server.fail("PauseJob", Refusal(Code.ABORTED, "REVISION_MISMATCH"))
    with pytest.raises(Conflict):
        client.job("a").pause(expected_revision=7)


def test_a_dismiss_whose_answer_was_lost_succeeds(
    client: Client, server: FakeServer
) -> None:
    server.put("a", "SUCCEEDED")

    def dismiss(request: job_service_pb2.DismissJobRequest) -> Any:
        job = server.jobs.pop(request.job_id, None)
        if job is None and not request.allow_missing:
            raise Refusal(Code.NOT_FOUND, "JOB_NOT_FOUND")
        return job_service_pb2.DismissJobResponse(job=job)

    server.answers["DismissJob"] = dismiss
    server.fail("DismissJob", Lost())
    handle = client.job("a")
    handle.get()
    handle.dismiss()
    assert handle.job is not None
    assert handle.job.job_id == "a"


def test_a_dismiss_of_a_job_that_never_was_is_an_error(
    client: Client, server: FakeServer
) -> None:
    server.answers["DismissJob"] = lambda request: (_ for _ in ()).throw(
        Refusal(Code.NOT_FOUND, "JOB_NOT_FOUND")
    )
    with pytest.raises(NotFound):
        client.job("a").dismiss()


def test_a_plain_name_is_an_image_of_format_qcow2(
    client: Client, server: FakeServer
) -> None:
    server.answers["CreateJob"] = created
    client.pull("/top", base=("/base", "raw"))
    spec = server.called("CreateJob")[0].info.block.pull.spec
    assert (spec.top.uri, spec.top.format) == ("/top", "qcow2")
    assert (spec.base.uri, spec.base.format) == ("/base", "raw")


def test_a_limit_that_is_taken_away_is_named_and_not_set(
    client: Client, server: FakeServer
) -> None:
    client.job("a").set_speed(None)
    (request,) = server.called("UpdateJob")
    assert list(request.update_mask.paths) == ["speed_bytes_per_second"]
    assert not request.options.HasField("speed_bytes_per_second")


def test_an_update_without_paths_has_no_mask(
    client: Client, server: FakeServer
) -> None:
    client.job("a").update(job_options_pb2.JobOptions(priority=3))
    (request,) = server.called("UpdateJob")
    assert not request.HasField("update_mask")


def test_a_list_fetches_pages_as_they_are_needed(
    client: Client, server: FakeServer
) -> None:
    def page(request: job_service_pb2.ListJobsRequest) -> Any:
        number = int(request.page_token or 0)
        # The second page is empty, which is not the end.
        jobs = [] if number == 1 else [job_pb2.Job(job_id=f"j{number}")]
        token = str(number + 1) if number < 2 else ""
        return job_service_pb2.ListJobsResponse(jobs=jobs, next_page_token=token)

    server.answers["ListJobs"] = page
    jobs = client.list(states=[job_pb2.JOB_STATE_RUNNING], page_size=1)
    assert server.called("ListJobs") == []
    assert next(jobs).job_id == "j0"
    assert len(server.called("ListJobs")) == 1
    assert [job.job_id for job in jobs] == ["j2"]
    asked = server.called("ListJobs")
    assert [one.page_token for one in asked] == ["", "1", "2"]
    assert all(one.states == [job_pb2.JOB_STATE_RUNNING] for one in asked)


def test_a_map_comes_page_by_page(client: Client, server: FakeServer) -> None:
    def page(request: image_service_pb2.MapImageRequest) -> Any:
        is_first = not request.page_token
        return image_service_pb2.MapImageResponse(
            extents=[image_pb2.MapExtent(start_bytes=0 if is_first else 512)],
            next_page_token="more" if is_first else "",
        )

    server.answers["MapImage"] = page
    assert [run.start_bytes for run in client.map("/top")] == [0, 512]


def test_every_call_says_who_calls(client: Client, server: FakeServer) -> None:
    server.put("a")
    client.job("a").get()
    assert ("longshore-client", f"longshore-python/{__version__}") in server.metadata


def test_the_generated_stub_is_within_reach(client: Client, server: FakeServer) -> None:
    server.put("a")
    request = job_service_pb2.GetJobRequest(job_id="a")
    assert client.stub().GetJob(request).job.job_id == "a"


def test_threads_may_share_a_client(client: Client, server: FakeServer) -> None:
    server.put("a")
    seen: list[str] = []
    threads = [
        threading.Thread(target=lambda: seen.append(client.job("a").get().job_id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["a"] * 8


def test_a_closed_client_says_so(server: FakeServer) -> None:
    client = Client(server.address)
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.job("a").get()


def test_a_daemon_that_is_not_there_is_an_error_within_seconds() -> None:
    with (
        Client("unix:/nowhere/at/all.sock") as client,
        pytest.raises(ConnectionFailed),
    ):
        client.capabilities()


def test_a_client_finds_a_daemon_that_came_back(
    client: Client, server: FakeServer
) -> None:
    server.put("a")
    client.job("a").get()
    server.stop()
    server.start()
    assert client.job("a").get().job_id == "a"


def test_a_state_that_is_newer_than_this_client_is_a_number(
    client: Client, server: FakeServer
) -> None:
    job = job_pb2.Job(job_id="a")
    job.MergeFromString(bytes([0x28, 99]))  # field 5, state = 99
    server.answers["GetJob"] = job_service_pb2.GetJobResponse(job=job)
    assert client.job("a").get().state == 99


def test_a_kind_that_is_newer_than_this_client_still_has_its_name(
    client: Client, server: FakeServer
) -> None:
    job = job_pb2.Job(job_id="a", job_type="quantum.leap")
    # info { 31: {} }, an arm that this contract does not have.
    job.MergeFromString(bytes([0x1A, 0x03, 0xFA, 0x01, 0x00]))
    server.answers["GetJob"] = job_service_pb2.GetJobResponse(job=job)
    found = client.job("a").get()
    assert found.info.WhichOneof("subsystem") is None
    assert found.job_type == "quantum.leap"


def test_unavailable_of_the_daemon_is_not_of_the_connection(
    client: Client, server: FakeServer
) -> None:
    stopping = Refusal(Code.UNAVAILABLE, "SERVER_STOPPING")
    server.fail("GetJob", *[stopping] * 4)
    with pytest.raises(Unavailable):
        client.job("a").get()
