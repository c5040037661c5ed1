"""Starting jobs: what is asked of the daemon, and what is said first."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from longshore.cli.exits import Exit
from longshore.cli.policies import instant
from longshore.cli.zone import local_zone
from longshore.v1 import (
    image_pb2,
    image_service_pb2,
    job_options_pb2,
    job_pb2,
    job_plan_pb2,
    job_service_pb2,
    node_pb2,
)
from tests.cli.conftest import Cli
from tests.support.blockyaml import load
from tests.support.fakeserver import FakeServer
from tests.support.refusals import Code, Refusal

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def made(server: FakeServer) -> None:
    """Every create makes a job that is running."""

    def create(request: job_service_pb2.CreateJobRequest) -> Any:
        name = request.job_id or "made"
        job = job_pb2.Job(job_id=name, state=job_pb2.JOB_STATE_RUNNING)
        server.jobs.setdefault(name, job)
        return job_service_pb2.CreateJobResponse(job=job)

    server.answers["CreateJob"] = create


def chain(server: FakeServer, *links: tuple[str, str]) -> None:
    image = image_pb2.Image(
        chain=[
            image_pb2.ImageLink(uri=f"file://{path}", format=declared, depth=depth)
            for depth, (path, declared) in enumerate(links)
        ]
    )
    server.answers["GetImage"] = image_service_pb2.GetImageResponse(image=image)


def asked(server: FakeServer) -> job_service_pb2.CreateJobRequest:
    (request,) = server.called("CreateJob")
    assert isinstance(request, job_service_pb2.CreateJobRequest)
    return request


def test_the_id_is_all_that_a_submit_prints(server: FakeServer, cli: Cli) -> None:
    shown = cli("pull", "/top.qcow2")
    assert (shown.code, shown.out, shown.err) == (Exit.DONE, "made\n", "")


def test_for_programs_it_is_the_job(server: FakeServer, cli: Cli) -> None:
    for form in ("json", "jsonl"):
        assert json.loads(cli("pull", "/top.qcow2", "-o", form).out)["jobId"] == "made"


def test_a_relative_path_is_made_absolute(server: FakeServer, cli: Cli) -> None:
    cli("pull", "images/top.qcow2")
    assert asked(server).info.block.pull.spec.top.uri == str(
        Path.cwd() / "images/top.qcow2"
    )


def test_a_path_that_is_empty_is_no_directory(server: FakeServer, cli: Cli) -> None:
    shown = cli("pull", "")
    assert (shown.code, shown.err) == (
        Exit.USAGE,
        "error: the path of the image is empty\n",
    )
    assert server.calls == []


def test_a_uri_is_sent_as_it_is(server: FakeServer, cli: Cli) -> None:
    cli("pull", "file:///srv/a%20b.qcow2")
    assert asked(server).info.block.pull.spec.top.uri == "file:///srv/a%20b.qcow2"


def test_every_option_is_sent(server: FakeServer, cli: Cli) -> None:
    cli(
        *("pull", "/top.qcow2", "--rate", "50MiB/s", "--burst", "1M", "--iops", "100"),
        *("--burst-iops", "10", "--priority", "-5", "--after", "x", "--after", "y"),
        *("--on-conflict", "queue", "--manual-finalize", "--auto-dismiss", "1h"),
        *("--window", "22:00-06:00/Asia/Tokyo", "--window", "sat/00:00-24:00"),
        *("--on-error", "enospc-stop", "-l", "vm=web", "-l", "tier=gold"),
        *("--job-id", "mine", "--request-id", "r", "--link", "raw:/base.raw"),
    )
    request = asked(server)
    options = job_options_pb2.JobOptions(
        speed_bytes_per_second=50 * 1024**2,
        burst_bytes=1024**2,
        iops=100,
        burst_operations=10,
        priority=-5,
        auto_finalize=False,
        windows=[
            job_options_pb2.TimeWindow(
                start_minute=22 * 60, duration_minutes=8 * 60, time_zone="Asia/Tokyo"
            ),
            job_options_pb2.TimeWindow(
                weekdays=[6],  # type: ignore[list-item]
                duration_minutes=24 * 60,
                time_zone=local_zone(),
            ),
        ],
        source_error_policy=job_options_pb2.ErrorPolicy(action=5),  # type: ignore[arg-type]
        target_error_policy=job_options_pb2.ErrorPolicy(action=5),  # type: ignore[arg-type]
    )
    options.auto_dismiss_delay.FromSeconds(3600)
    assert request.options == options
    assert list(request.after) == ["x", "y"]
    assert request.on_conflict == job_service_pb2.ON_CONFLICT_QUEUE
    assert dict(request.labels) == {"vm": "web", "tier": "gold"}
    assert (request.job_id, request.request_id) == ("mine", "r")
    (link,) = request.info.block.pull.spec.backing_chain
    assert (link.uri, link.format) == ("/base.raw", "raw")


def test_what_is_not_asked_for_is_not_sent(server: FakeServer, cli: Cli) -> None:
    cli("pull", "/top.qcow2")
    assert asked(server).options == job_options_pb2.JobOptions()


def test_the_format_of_the_base_is_what_the_chain_says(
    server: FakeServer, cli: Cli
) -> None:
    chain(server, ("/top.qcow2", "qcow2"), ("/a%20base.raw", "raw"))
    cli("pull", "/top.qcow2", "--base", "/a base.raw")
    base = asked(server).info.block.pull.spec.base
    assert (base.uri, base.format) == ("/a base.raw", "raw")


def test_the_format_of_the_base_may_be_declared(server: FakeServer, cli: Cli) -> None:
    cli("pull", "/top.qcow2", "--base", "/b", "--base-format", "raw")
    assert asked(server).info.block.pull.spec.base.format == "raw"
    assert server.called("GetImage") == []


def test_a_base_that_is_not_in_the_chain_is_told_with_what_is(
    server: FakeServer, cli: Cli
) -> None:
    chain(server, ("/top.qcow2", "qcow2"), ("/base.raw", "raw"))
    shown = cli("pull", "/top.qcow2", "--base", "/other.raw")
    assert shown.code == Exit.USAGE
    assert "/other.raw is not behind /top.qcow2, but /base.raw" in shown.err
    assert server.called("CreateJob") == []


def test_a_job_that_was_there_is_said_to_have_been(
    server: FakeServer, cli: Cli
) -> None:
    job = job_pb2.Job(job_id="old")
    answer = job_service_pb2.CreateJobResponse(job=job, existing=True)
    server.answers["CreateJob"] = answer
    shown = cli("pull", "/top.qcow2", "--on-conflict", "return")
    assert shown.out == "old\n"
    assert "was there already" in shown.err


def test_the_id_is_there_before_the_wait(server: FakeServer, cli: Cli) -> None:
    shown = cli("pull", "/top.qcow2", "--wait", "--timeout", "50ms")
    assert shown.lines[0] == "made"
    assert shown.code == Exit.TIMEOUT


def test_a_wait_ends_with_the_job(server: FakeServer, cli: Cli) -> None:
    server.put("made", "SUCCEEDED")
    shown = cli("pull", "/top.qcow2", "--wait")
    assert (shown.code, shown.out) == (Exit.DONE, "made\n")
    assert "succeeded" in shown.err


@pytest.mark.parametrize(("form", "read"), [("json", json.loads), ("yaml", load)])
def test_a_wait_for_programs_is_one_document_the_last_word(
    server: FakeServer, cli: Cli, form: str, read: Callable[[str], Any]
) -> None:
    server.put("made", "FAILED")
    shown = cli("pull", "/top.qcow2", "--wait", "-o", form)
    assert shown.code == Exit.FAILED
    job = read(shown.out.rstrip("\n"))
    assert (job["jobId"], job["state"]) == ("made", "JOB_STATE_FAILED")
    assert shown.err.splitlines()[0] == "longshore: job made"


def test_a_wait_for_a_document_that_is_left_has_told_the_id(
    server: FakeServer, cli: Cli
) -> None:
    shown = cli("pull", "/top.qcow2", "--wait", "-o", "json", "--timeout", "50ms")
    assert (shown.code, shown.out) == (Exit.TIMEOUT, "")
    assert shown.err.splitlines()[0] == "longshore: job made"


def test_a_wait_for_json_lines_is_a_stream(server: FakeServer, cli: Cli) -> None:
    server.put("made", "SUCCEEDED")
    shown = cli("pull", "/top.qcow2", "--wait", "-o", "jsonl")
    states = [json.loads(line)["state"] for line in shown.lines]
    assert states[-1] == "JOB_STATE_SUCCEEDED"
    assert len(states) > 1


def test_what_the_daemon_refuses_makes_no_noise_on_stdout(
    server: FakeServer, cli: Cli
) -> None:
    server.fail("CreateJob", Refusal(Code.FAILED_PRECONDITION, "TARGET_BUSY"))
    shown = cli("pull", "/top.qcow2", "--wait")
    assert (shown.code, shown.out) == (Exit.CONFLICT, "")


def test_a_start_time_is_sent(server: FakeServer, cli: Cli) -> None:
    cli("pull", "/top.qcow2", "--not-before", "2026-11-20T22:00:00+01:00")
    start = asked(server).options.earliest_start_time
    assert start.ToJsonString() == "2026-11-20T21:00:00Z"


def test_a_start_time_may_be_so_long_from_now() -> None:
    assert instant("2h", NOW) == datetime(2026, 11, 20, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["87000000h", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_start_time_outside_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not in the years 1 to 9999"):
        instant(text, NOW)


def planned(server: FakeServer, **more: Any) -> None:
    plan = job_plan_pb2.JobPlan(
        job_type="block.pull",
        read_bytes=1024**3,
        write_bytes=1024**3,
        space_needed_bytes=1024**3,
        space_available_bytes=2 * 1024**3,
        cancel_effect="nothing is lost",
        **more,
    )
    server.answers["PlanJob"] = job_service_pb2.PlanJobResponse(plan=plan)


def test_a_plan_says_what_would_be(server: FakeServer, cli: Cli) -> None:
    planned(server, queue_position=0)
    shown = cli("plan", "pull", "/top.qcow2")
    assert shown.code == Exit.DONE
    assert "1 GiB (1073741824 bytes)" in shown.out
    assert "1 GiB needed, 2 GiB available" in shown.out
    assert "at once" in shown.out
    assert "nothing is lost" in shown.out
    assert server.called("CreateJob") == []


def test_a_plan_says_what_would_be_shared(server: FakeServer, cli: Cli) -> None:
    planned(server)
    assert "reflink" not in cli("plan", "pull", "/top.qcow2").out
    planned(server, reflink_bytes=2048)
    assert "reflink:   2 KiB (2048 bytes)" in cli("plan", "pull", "/top.qcow2").out


ALONE = node_pb2.JobNode(role=node_pb2.NODE_ROLE_TOP)
NOTHING = "nothing to pull: the image has no backing file"


def test_an_image_without_a_backing_file_has_nothing_to_pull(
    server: FakeServer, cli: Cli
) -> None:
    job = server.put("made", nodes=[ALONE])
    server.answers["CreateJob"] = job_service_pb2.CreateJobResponse(job=job)
    shown = cli("pull", "/top.qcow2")
    assert (shown.out, shown.err) == ("made\n", f"longshore: {NOTHING}\n")
    assert cli("pull", "/top.qcow2", "-q").err == ""
    server.put("made", "SUCCEEDED", nodes=[ALONE])
    shown = cli("pull", "/top.qcow2", "--wait")
    assert shown.err.count(NOTHING) == 1
    assert f"job made succeeded: {NOTHING}" in shown.err
    planned(server, chain=[image_pb2.ImageLink()])
    assert NOTHING in cli("plan", "pull", "/top.qcow2").out


def test_a_plan_that_cannot_be_is_a_conflict(server: FakeServer, cli: Cli) -> None:
    process = node_pb2.ForeignProcess(pid=42, command="qemu-system")
    planned(
        server,
        holds=[
            job_plan_pb2.PlannedHold(
                node=node_pb2.JobNode(role=node_pb2.NODE_ROLE_TOP, uri="file:///top"),
                conflicts=[node_pb2.Holder(process=process)],
            )
        ],
        obstacles=[Refusal(Code.FAILED_PRECONDITION, "TARGET_BUSY", "busy").status()],
    )
    shown = cli("plan", "pull", "/top.qcow2")
    assert shown.code == Exit.CONFLICT
    assert "in the way: pid 42 (qemu-system)" in shown.out
    assert "obstacle: busy" in shown.out
    assert "refused now; with --on-conflict queue as soon as nobody is" in shown.out


def test_a_plan_that_no_queue_helps_is_never(server: FakeServer, cli: Cli) -> None:
    broken = Refusal(Code.FAILED_PRECONDITION, "IMAGE_INVALID", "corrupt").status()
    planned(server, obstacles=[broken])
    assert "never, as things are" in cli("plan", "pull", "/top.qcow2").out


def test_a_plan_that_may_lack_space_says_so(server: FakeServer, cli: Cli) -> None:
    full = "The pull takes up to 1073741824 bytes, and there are 2048 bytes free"
    tight = Refusal(Code.RESOURCE_EXHAUSTED, "NO_SPACE", full).status()
    planned(server, queue_position=0, obstacles=[tight])
    shown = cli("plan", "pull", "/top.qcow2").out
    assert "at once, but may lack space" in shown
    assert "takes up to 1 GiB, and there are 2 KiB free" in shown
