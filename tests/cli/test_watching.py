"""The watch and the live list."""

import json
import re

import pytest

from longshore.cli.exits import Exit
from longshore.cli.top import Board, fitting
from longshore.v1 import watch_pb2
from longshore.watch import Progress, Snapshot
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer
from tests.support.jobs import job, progress, running
from tests.support.refusals import Code, Refusal
from tests.support.shell import Terminal

UUID = "01a1f9fc-46c0-7c93-89ea-87fec0ce57a4"


def ended(server: FakeServer) -> None:
    """A job with a history: made, paused, done."""
    for state in ("QUEUED", "RUNNING", "PAUSED", "RUNNING", "SUCCEEDED"):
        server.put("a", state)


def test_a_watch_of_a_job_ends_with_it(server: FakeServer, cli: Cli) -> None:
    ended(server)
    shown = cli("watch", "a")
    assert shown.code == Exit.DONE
    header, line = shown.lines
    assert header.split() == ["TIME", "WHAT", "JOB", "STATE"]
    when, said = line[:8], line[8:]
    assert re.fullmatch("[0-9]{2}:[0-9]{2}:[0-9]{2}", when)
    assert said == "  is        a    SUCCEEDED"


def test_a_watch_since_a_cursor_tells_every_change(
    server: FakeServer, cli: Cli
) -> None:
    ended(server)
    shown = cli("watch", "a", "--since", f"{server.history}:0")
    assert [line.split()[1:] for line in shown.lines] == [
        ["created", "a", "QUEUED"],
        ["updated", "a", "RUNNING"],
        ["updated", "a", "PAUSED"],
        ["updated", "a", "RUNNING"],
        ["updated", "a", "SUCCEEDED"],
    ]


def test_json_lines_have_the_cursor_to_go_on_from(server: FakeServer, cli: Cli) -> None:
    ended(server)
    since = f"{server.history}:0"
    told = [
        json.loads(line)
        for line in cli("watch", "a", "--since", since, "-o", "jsonl").lines
    ]
    assert [one["type"] for one in told] == ["CREATED"] + ["UPDATED"] * 4
    assert told[2]["previousState"] == "JOB_STATE_RUNNING"
    rest = cli("watch", "a", "--since", told[2]["cursor"], "-o", "jsonl").lines
    assert [json.loads(line)["job"]["revision"] for line in rest] == ["4", "5"]


def test_a_state_that_is_newer_is_its_number(server: FakeServer, cli: Cli) -> None:
    server.put("a").state = 99  # type: ignore[assignment]  # open enum
    server.put("a", "SUCCEEDED")
    since = f"{server.history}:1"
    (line,) = cli("watch", "a", "--since", since, "-o", "jsonl").lines
    assert json.loads(line)["previousState"] == 99


def test_names_are_what_has_changed(server: FakeServer, cli: Cli) -> None:
    ended(server)
    assert cli("watch", "a", "-o", "name").out == "a\n"


def test_yaml_is_one_document_each(server: FakeServer, cli: Cli) -> None:
    ended(server)
    shown = cli("watch", "a", "-o", "yaml", "--since", f"{server.history}:3").out
    assert shown.count("---\ntype: UPDATED\n") == 2


def test_lost_history_is_said(server: FakeServer, cli: Cli) -> None:
    ended(server)
    server.compact()
    shown = cli("watch", "a", "--since", f"{server.history}:1")
    assert shown.lines[0] == "history was lost; these are the jobs now:"


def test_progress_can_be_left_out(server: FakeServer, cli: Cli) -> None:
    ended(server)
    cli("watch", "a", "--no-progress")
    assert server.called("WatchJobs")[0].omit_progress


def test_a_watch_of_all_needs_a_daemon(server: FakeServer, cli: Cli) -> None:
    gone = Refusal(Code.UNAVAILABLE)
    server.fail("GetCapabilities", *[gone] * 4)
    assert cli("watch").code == Exit.UNREACHABLE


def test_top_in_a_pipe_is_a_list(server: FakeServer, cli: Cli) -> None:
    server.put("waits", "QUEUED")
    server.put("paused", "PAUSED")
    server.put("over", "SUCCEEDED")
    shown = cli("top")
    assert shown.code == Exit.DONE
    assert shown.lines[0] == "1 paused, 1 queued"
    assert [line.split()[0] for line in shown.lines[2:]] == ["paused", "waits"]


def test_top_without_jobs_says_so(server: FakeServer, cli: Cli) -> None:
    assert cli("top", "--once").lines[0] == "no jobs"


def test_top_for_programs_is_data_only(server: FakeServer, cli: Cli) -> None:
    server.put("a", "PAUSED")
    assert json.loads(cli("top", "-o", "json").out)[0]["jobId"] == "a"


def test_a_board_keeps_what_has_not_ended() -> None:
    board = Board()
    jobs = (running("a"), job("b", "FAILED"))
    board.take(Snapshot(jobs, watch_pb2.Cursor()))
    board.take(Progress("a", progress(1, 2)))
    board.take(Progress("nobody", progress(1, 2)))
    (shown,) = board.jobs()
    assert (shown.job_id, shown.progress.current) == ("a", 1)


@pytest.mark.parametrize(
    ("height", "shown"),
    [(None, ["a", "b", "c"]), (3, ["a", "b", "c"]), (2, ["a", "… and 2 more"])],
)
def test_what_does_not_fit_is_counted(height: int | None, shown: list[str]) -> None:
    assert fitting(["a", "b", "c"], height) == shown


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "shown"), [(80, "…c0ce57a4"), (120, UUID)])
def test_ids_of_a_watch_are_short_on_a_narrow_terminal(
    server: FakeServer, columns: int, shown: str
) -> None:
    server.put(UUID, "SUCCEEDED")
    words = ("-s", server.address, "watch", UUID)
    with Terminal(*words, columns=columns) as terminal:
        assert terminal.end() == Exit.DONE
    assert f"  {shown}  SUCCEEDED" in terminal.text
