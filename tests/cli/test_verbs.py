"""Commands that ask something of jobs."""

import json
from typing import Any

import pytest

from longshore.cli import lookup
from longshore.cli.exits import Exit
from longshore.v1 import job_options_pb2, job_pb2, job_service_pb2
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer
from tests.support.refusals import Code, Refusal

VERBS = {
    "pause": "PauseJob",
    "resume": "ResumeJob",
    "cancel": "CancelJob",
    "complete": "CompleteJob",
    "finalize": "FinalizeJob",
    "dismiss": "DismissJob",
}


@pytest.fixture(autouse=True)
def answering(server: FakeServer) -> None:
    """Every verb succeeds and answers the job."""
    for method in VERBS.values():
        answer = getattr(job_service_pb2, f"{method}Response")

        def serve(request: Any, answer: Any = answer) -> Any:
            if request.job_id not in server.jobs:
                raise Refusal(Code.NOT_FOUND, "JOB_NOT_FOUND", "There is no such job")
            return answer(job=server.jobs[request.job_id])

        server.answers[method] = serve


@pytest.mark.parametrize(("verb", "method"), VERBS.items())
def test_a_verb_is_one_call_and_one_line(
    server: FakeServer, cli: Cli, verb: str, method: str
) -> None:
    server.put("a")
    shown = cli("-q", verb, "a")
    assert (shown.code, shown.out) == (Exit.DONE, "a\n")
    assert [request.job_id for request in server.called(method)] == ["a"]


PAUSED = job_pb2.JobPause(reason="paused")
LUNCH = job_pb2.JobPause(reason="lunch")
WINDOW = job_pb2.JobPause(reason="outside its windows")
STALE = job_pb2.JobPending(
    reason=job_pb2.PENDING_REASON_PAUSED, message="Paused: paused"
)


@pytest.mark.parametrize(
    ("verb", "state", "more"),
    [
        ("pause", "RUNNING", {"pauses": [LUNCH]}),
        ("resume", "PAUSED", {}),
        ("resume", "QUEUED", {"pending": STALE}),
        ("cancel", "ABORTING", {}),
        ("complete", "READY", {}),
        ("finalize", "PENDING", {}),
    ],
)
def test_a_wish_that_is_not_reached_yet_is_told(
    server: FakeServer, cli: Cli, verb: str, state: str, more: dict[str, Any]
) -> None:
    action = job_pb2.JobAction.Value(f"JOB_ACTION_{verb.upper()}")
    server.put("a", state, wanted=[job_pb2.JobWish(action=action)], **more)
    assert cli(verb, "a").out == f"a  {state}  {verb} asked\n"


@pytest.mark.parametrize(
    ("verb", "state", "more", "said"),
    [
        ("pause", "PAUSED", {"pauses": [PAUSED]}, "paused"),
        ("pause", "PAUSED", {"pauses": [LUNCH]}, "paused: lunch"),
        ("pause", "QUEUED", {"pauses": [PAUSED], "pending": STALE}, "paused"),
        ("resume", "RUNNING", {}, "not paused"),
        ("resume", "PAUSED", {"pauses": [WINDOW]}, "resumed; outside its windows"),
        ("finalize", "SUCCEEDED", {}, "finalized"),
        ("dismiss", "CANCELLED", {}, "dismissed"),
    ],
)
def test_a_wish_that_is_reached_is_told(
    server: FakeServer,
    cli: Cli,
    verb: str,
    state: str,
    more: dict[str, Any],
    said: str,
) -> None:
    server.put("a", state, **more)
    assert cli(verb, "a").out == f"a  {state}  {said}\n"


def test_a_dismiss_that_is_repeated_names_the_job(server: FakeServer, cli: Cli) -> None:
    server.put("abcd")
    server.answers["DismissJob"] = job_service_pb2.DismissJobResponse()
    assert cli("dismiss", "abcd").out == "abcd  dismissed\n"


def test_comments_and_modes_are_sent(server: FakeServer, cli: Cli) -> None:
    server.put("a")
    cli("pause", "a", "--comment", "lunch")
    cli("cancel", "a", "--comment", "enough", "--force")
    cli("complete", "a", "--keep-copy")
    assert server.called("PauseJob")[0].comment == "lunch"
    assert server.called("CancelJob")[0].comment == "enough"
    assert server.called("CancelJob")[0].force
    keep = job_service_pb2.COMPLETION_MODE_KEEP_COPY
    assert server.called("CompleteJob")[0].mode == keep


def test_a_cancel_may_wait_for_the_end(server: FakeServer, cli: Cli) -> None:
    server.put("a", "CANCELLED")
    shown = cli("cancel", "a", "--wait")
    assert (shown.code, shown.out) == (Exit.DONE, "a  CANCELLED\n")
    assert len(server.called("WaitJob")) == 1


def test_a_cancel_of_a_paused_job_speaks_of_the_cancel(
    server: FakeServer, cli: Cli
) -> None:
    by = Refusal(Code.CANCELLED, "CANCELLED_BY_USER", "Cancelled by uid:0")
    pause = job_pb2.JobPause(reason="paused")
    server.put("a", "ABORTING", pauses=[pause], error=by.status())
    assert cli("cancel", "a").out == "a  ABORTING  Cancelled by uid:0\n"


def test_one_that_fails_does_not_keep_the_others(server: FakeServer, cli: Cli) -> None:
    server.put("aaaa")
    server.put("cccc")
    shown = cli("pause", "aaaa", "bbbb", "cccc")
    assert shown.lines == ["aaaa  RUNNING  paused", "cccc  RUNNING  paused"]
    assert shown.err.startswith("error: no job bbbb")
    assert shown.code == Exit.USAGE


@pytest.mark.parametrize(
    ("verb", "among"), [("cancel", lookup.ACTIVE), ("dismiss", lookup.ENDED)]
)
def test_jobs_may_be_selected(
    server: FakeServer, cli: Cli, verb: str, among: list[job_pb2.JobState.ValueType]
) -> None:
    found = job_service_pb2.ListJobsResponse(
        jobs=[server.put("aaaa"), server.put("bbbb")]
    )
    server.answers["ListJobs"] = found
    shown = cli(verb, "-l", "vm=web")
    assert shown.err == f"longshore: {verb} of 2 jobs\n"
    assert [line[:4] for line in shown.lines] == ["aaaa", "bbbb"]
    (asked,) = server.called("ListJobs")
    assert dict(asked.selector.labels) == {"vm": "web"}
    assert list(asked.states) == list(among)
    assert cli(verb, "--all", "-q").out == "aaaa\nbbbb\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "which jobs?"),
        (("aaaa", "--all"), "not both"),
        (("--state", "failed"), "cannot be asked of jobs that are failed"),
        (("--all",), "no such job"),
    ],
)
def test_a_selection_of_nothing_is_refused(
    cli: Cli, words: tuple[str, ...], said: str
) -> None:
    shown = cli("cancel", *words)
    assert shown.code == Exit.USAGE
    assert said in shown.err


def test_a_get_of_one_that_is_not_there_shows_the_others(
    server: FakeServer, cli: Cli
) -> None:
    server.put("aaaa")
    server.put("cccc")
    shown = cli("get", "aaaa", "bbbb", "cccc", "-o", "json")
    assert [job["jobId"] for job in json.loads(shown.out)] == ["aaaa", "cccc"]
    assert shown.err.startswith("error: no job bbbb")
    assert shown.code == Exit.USAGE


def updated(server: FakeServer) -> job_service_pb2.UpdateJobRequest:
    (request,) = server.called("UpdateJob")
    assert isinstance(request, job_service_pb2.UpdateJobRequest)
    return request


@pytest.fixture
def living(server: FakeServer) -> None:
    """A job whose options are what was asked for last."""

    def update(request: job_service_pb2.UpdateJobRequest) -> Any:
        job = job_pb2.Job(job_id="a", state=job_pb2.JOB_STATE_RUNNING)
        job.options.CopyFrom(request.options)
        return job_service_pb2.UpdateJobResponse(job=job)

    server.put("a")
    server.answers["UpdateJob"] = update


@pytest.mark.usefixtures("living")
def test_options_are_set_and_told(server: FakeServer, cli: Cli) -> None:
    shown = cli(
        *("set", "a", "rate=50MiB", "burst=1M", "iops=10", "burst-iops=5"),
        *("priority=-3", "auto-finalize=false", "auto-dismiss=1h30m"),
    )
    options = job_options_pb2.JobOptions(
        speed_bytes_per_second=50 * 1024**2,
        burst_bytes=1024**2,
        iops=10,
        burst_operations=5,
        priority=-3,
        auto_finalize=False,
    )
    options.auto_dismiss_delay.FromSeconds(5400)
    assert updated(server).options == options
    assert shown.out == (
        "a  RUNNING  rate=50MiB burst=1MiB iops=10 burst-iops=5 priority=-3 "
        "auto-finalize=false auto-dismiss=1h30m\n"
    )


@pytest.mark.usefixtures("living")
def test_a_start_is_put_off(server: FakeServer, cli: Cli) -> None:
    shown = cli("set", "a", "not-before=2026-11-20T22:00:00+01:00")
    start = updated(server).options.earliest_start_time
    assert start.ToJsonString() == "2026-11-20T21:00:00Z"
    assert shown.out == "a  RUNNING  not-before=2026-11-20T21:00:00Z\n"


@pytest.mark.usefixtures("living")
def test_a_start_that_is_no_time_is_refused(server: FakeServer, cli: Cli) -> None:
    shown = cli("set", "a", "not-before=tomorrow")
    assert shown.code == Exit.USAGE
    assert "not-before: not a time: 'tomorrow'" in shown.err
    assert server.called("UpdateJob") == []


@pytest.mark.usefixtures("living")
def test_none_takes_an_option_away(server: FakeServer, cli: Cli) -> None:
    shown = cli("set", "a", "rate=none")
    request = updated(server)
    assert list(request.update_mask.paths) == ["speed_bytes_per_second"]
    assert request.options == job_options_pb2.JobOptions()
    assert shown.out == "a  RUNNING  rate=none\n"


@pytest.mark.usefixtures("living")
def test_an_error_policy_is_that_of_both_sides(server: FakeServer, cli: Cli) -> None:
    shown = cli("set", "a", "on-error=enospc-stop")
    stop = job_options_pb2.ErrorPolicy(action=job_options_pb2.ERROR_ACTION_ENOSPC_STOP)
    request = updated(server)
    assert request.options.source_error_policy == stop
    assert request.options.target_error_policy == stop
    fields = ["source_error_policy", "target_error_policy"]
    assert list(request.update_mask.paths) == fields
    assert shown.out == "a  RUNNING  on-error=enospc-stop\n"


@pytest.mark.usefixtures("living")
def test_no_error_policy_is_a_report(server: FakeServer, cli: Cli) -> None:
    assert cli("set", "a", "on-error=none").out == "a  RUNNING  on-error=report\n"
    assert updated(server).options == job_options_pb2.JobOptions()


@pytest.mark.usefixtures("living")
def test_windows_are_set_together(server: FakeServer, cli: Cli) -> None:
    words = ("window=mon,tue/22:00-06:00/Europe/Madrid", "window=sat/00:00+2880m/UTC")
    shown = cli("set", "a", *words)
    request = updated(server)
    assert [one.duration_minutes for one in request.options.windows] == [480, 2880]
    assert list(request.update_mask.paths) == ["windows"]
    assert shown.out == f"a  RUNNING  {' '.join(words)}\n"


@pytest.mark.usefixtures("living")
def test_windows_are_taken_away(server: FakeServer, cli: Cli) -> None:
    assert cli("set", "a", "window=none").out == "a  RUNNING  window=none\n"
    assert list(updated(server).update_mask.paths) == ["windows"]


def test_a_job_that_a_selection_found_and_that_is_gone_is_no_word_for_another(
    server: FakeServer, cli: Cli
) -> None:
    gone = server.put("vm-1", "RUNNING")
    server.answers["ListJobs"] = job_service_pb2.ListJobsResponse(jobs=[gone])
    del server.jobs["vm-1"]
    server.put("vm-10", "RUNNING")
    shown = cli("cancel", "-l", "a=b")
    assert shown.code != Exit.DONE
    assert [request.job_id for request in server.called("CancelJob")] == ["vm-1"]
