"""Commands that look at jobs: lists, beginnings of ids, facts."""

import json
import time

import pytest

from longshore.cli.exits import Exit
from longshore.cli.lookup import ACTIVE
from longshore.v1 import (
    job_options_pb2,
    job_pb2,
    job_service_pb2,
    system_service_pb2,
)
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer
from tests.support.jobs import job, progress, running

UUID = "01a1f9fc-46c0-7c93-89ea-87fec0ce57a4"


def test_a_list_asks_for_what_was_selected(server: FakeServer, cli: Cli) -> None:
    cli("list", "--state", "running", "-l", "vm=web", "--kind", "block.*", "-n", "5")
    (request,) = server.called("ListJobs")
    assert request.states == [job_pb2.JOB_STATE_RUNNING]
    assert dict(request.selector.labels) == {"vm": "web"}
    assert list(request.selector.job_types) == ["block.*"]


def test_states_may_be_named_by_comma(server: FakeServer, cli: Cli) -> None:
    cli("list", "--state", "running,paused", "--state", "queued")
    (request,) = server.called("ListJobs")
    names = [job_pb2.JobState.Name(state) for state in request.states]
    assert names == ["JOB_STATE_RUNNING", "JOB_STATE_PAUSED", "JOB_STATE_QUEUED"]


@pytest.fixture
def capable(server: FakeServer) -> None:
    """A daemon that serves one kind of two."""
    kind = system_service_pb2.JobKindCapability
    answer = system_service_pb2.GetCapabilitiesResponse(
        kinds=[kind(job_type="block.pull", served=True), kind(job_type="storage.move")]
    )
    server.answers["GetCapabilities"] = answer


@pytest.mark.usefixtures("capable")
@pytest.mark.parametrize("command", ["list", "watch", "top"])
@pytest.mark.parametrize("kind", ["pull", "block.pul", "block.pull,blok.*"])
def test_a_kind_that_there_is_not_is_refused(
    server: FakeServer, cli: Cli, command: str, kind: str
) -> None:
    shown = cli(command, "--kind", kind)
    assert shown.code == Exit.USAGE
    assert f"no kind {kind.rpartition(',')[2]!r}; did you mean block." in shown.err
    assert "This daemon serves block.pull; all that there are" in shown.err
    assert server.called("ListJobs") == server.called("WatchJobs") == []


@pytest.mark.usefixtures("capable")
@pytest.mark.parametrize("kind", ["block.pull", "storage.move", "storage.*"])
def test_a_kind_that_there_is_is_asked_for(
    server: FakeServer, cli: Cli, kind: str
) -> None:
    assert cli("list", "--kind", kind).code == Exit.DONE
    assert list(server.called("ListJobs")[0].selector.job_types) == [kind]


def test_a_list_may_be_of_what_has_not_ended(server: FakeServer, cli: Cli) -> None:
    cli("list", "--active")
    (request,) = server.called("ListJobs")
    assert set(request.states) == set(ACTIVE)
    assert cli("list", "--active", "--state", "paused").code == Exit.USAGE


def test_a_list_in_a_pipe_has_every_column(server: FakeServer, cli: Cli) -> None:
    server.put("a")
    header, row = cli("list").lines
    titles = "JOB KIND STATE DONE RATE ETA AGE TARGET WHY"
    assert " ".join(header.split()) == titles
    assert row.split()[:3] == ["a", "block.pull", "RUNNING"]


def test_a_wide_list_has_more(server: FakeServer, cli: Cli) -> None:
    server.put("a", labels={"vm": "web"})
    shown = cli("list", "-o", "wide").out
    assert "LABELS" in shown
    assert "vm=web" in shown


def test_columns_are_as_asked_for(server: FakeServer, cli: Cli) -> None:
    server.put("a")
    shown = cli("list", "--columns", "state,job", "--no-headers")
    assert shown.out == "RUNNING  a\n"


def test_columns_asked_for_may_be_those_of_a_wide_list(
    server: FakeServer, cli: Cli
) -> None:
    server.put("a", owner="uid:7", number=3)
    shown = cli("list", "--columns", "job,owner,number")
    assert [line.split() for line in shown.lines] == [
        ["JOB", "OWNER", "NUMBER"],
        ["a", "uid:7", "3"],
    ]


def test_a_list_ends_at_the_limit(server: FakeServer, cli: Cli) -> None:
    for number in range(5):
        server.put(f"j{number}")
    assert cli("list", "-n", "2", "-o", "name").lines == ["j4", "j3"]


def test_a_table_that_is_cut_says_so(server: FakeServer, cli: Cli) -> None:
    jobs = [job(f"j{number}", "RUNNING") for number in range(101)]
    server.answers["ListJobs"] = job_service_pb2.ListJobsResponse(jobs=jobs)
    shown = cli("list")
    assert len(shown.lines) == 1 + 100
    assert "-n 0 for all" in shown.err
    assert len(cli("list", "-n", "0").lines) == 1 + 101
    assert len(cli("list", "-o", "name").lines) == 101


def test_an_unambiguous_beginning_is_enough(server: FakeServer, cli: Cli) -> None:
    server.put(UUID)
    server.put("other-job")
    assert cli("-q", "get", UUID[:13]).out == f"{UUID}\n"


def test_a_beginning_of_two_names_both(server: FakeServer, cli: Cli) -> None:
    server.put("job-one")
    server.put("job-two")
    shown = cli("get", "job-")
    assert shown.code == Exit.USAGE
    assert "may be any of 2 jobs: job-two, job-one" in shown.err


def test_a_whole_id_that_is_also_a_beginning_is_itself(
    server: FakeServer, cli: Cli
) -> None:
    server.put("job-a")
    server.put("job-a2")
    assert cli("-q", "get", "job-a").out == "job-a\n"


def test_a_beginning_is_not_searched_for_ever(server: FakeServer, cli: Cli) -> None:
    jobs = [job(f"j{number}", "RUNNING") for number in range(500)]
    endless = job_service_pb2.ListJobsResponse(jobs=jobs, next_page_token="more")
    server.answers["ListJobs"] = endless
    assert cli("get", "nowhere").code == Exit.USAGE
    assert len(server.called("ListJobs")) == 10


@pytest.mark.parametrize("word", ["abc", "Not An Id", "a" * 64])
def test_what_is_no_beginning_is_not_searched(
    server: FakeServer, cli: Cli, word: str
) -> None:
    assert cli("get", word).code == Exit.USAGE
    assert server.called("ListJobs") == []


def test_a_whole_uuid_costs_one_call(server: FakeServer, cli: Cli) -> None:
    server.put(UUID)
    cli("pause", UUID)
    assert [method for method, _ in server.calls] == ["PauseJob"]


def test_a_job_is_shown_with_its_facts(server: FakeServer, cli: Cli) -> None:
    made = running()
    server.put(
        made.job_id, progress=made.progress, nodes=made.nodes, labels={"vm": "web"}
    )
    shown = cli("get", made.job_id).out
    for fact in (
        "41 % (860 MiB / 2 GiB)",
        "200 MiB/s",
        "~14m 30s (9m to 20m)",
        "job-rate",
        "vm=web",
        "/srv/images/customers/acme/web-1/disk-0-overlay.qcow2",
    ):
        assert fact in shown


def test_a_job_is_shown_with_its_times_and_their_zone(
    server: FakeServer, cli: Cli
) -> None:
    window = job_options_pb2.TimeWindow(start_minute=60, duration_minutes=60)
    options = job_options_pb2.JobOptions(windows=[window])
    options.earliest_start_time.FromSeconds(1_790_000_000)
    server.put("a", "QUEUED", options=options)
    shown = cli("get", "a").out
    day = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(1_790_000_000))
    assert f"not before: {day}\n" in shown
    assert "windows:    01:00-02:00/UTC\n" in shown


def test_a_job_that_has_ended_has_no_rate(server: FakeServer, cli: Cli) -> None:
    server.put("a", "SUCCEEDED", progress=progress(5, 5))
    shown = cli("get", "a").out
    assert "rate" not in shown
    assert "eta" not in shown
    assert "limited by" not in shown


def test_a_hostile_name_cannot_write_on_the_terminal(
    server: FakeServer, cli: Cli
) -> None:
    server.put("a", labels={"vm": "\x1b[2J\nowned"})
    for shown in (cli("get", "a").out, cli("list", "-o", "wide").out):
        assert "\x1b" not in shown
        assert "\nowned" not in shown
    assert json.loads(cli("get", "a", "-o", "json").out)["labels"]["vm"][0] == "\x1b"
