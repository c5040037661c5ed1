"""The command line on a terminal: the live bar, colours, the ladder of Ctrl-C."""

import os
import re
import threading
from pathlib import Path

import pytest

from longshore.cli.exits import Exit
from longshore.v1 import job_pb2, job_service_pb2
from tests.support.fakeserver import FakeServer
from tests.support.jobs import MiB, progress
from tests.support.refusals import Code, Refusal
from tests.support.shell import Terminal, without

# Each starts a program of its own.
pytestmark = pytest.mark.slow

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
# What moves or hides the cursor, or erases.
MOVE = re.compile(r"\x1b\[(2K|\?25[hl])")


@pytest.fixture(autouse=True)
def made(server: FakeServer) -> None:
    """A create makes a running job; a cancel ends it."""

    def create(request: job_service_pb2.CreateJobRequest) -> object:
        job = server.jobs.get("made", job_pb2.Job(job_id="made"))
        return job_service_pb2.CreateJobResponse(job=job)

    server.answers["CreateJob"] = create
    server.put("made", progress=progress(50 * MiB, 100 * MiB))


def pull(server: FakeServer, *words: str, **how: object) -> Terminal:
    return Terminal(
        *("-s", server.address, "pull", "/top", "--wait", *words),
        **how,  # type: ignore[arg-type]  # columns, env
    )


def finish(server: FakeServer, state: str = "SUCCEEDED") -> None:
    server.put("made", state, progress=progress(100 * MiB, 100 * MiB))


def drawn(text: str) -> list[str]:
    """The states of the bar, without colour and without what moves the cursor."""
    plain = MOVE.sub("\r", ESCAPE.sub("", text))
    return [line.strip("\n") for line in plain.split("\r") if line.strip()]


def test_the_bar_runs_to_the_end(server: FakeServer) -> None:
    with pull(server, columns=80) as terminal:
        terminal.sees("50 %")
        finish(server)
        assert terminal.end() == Exit.DONE
    lines = drawn(terminal.text)
    assert lines[0] == "made"
    assert any(
        re.match("RUNNING +━{7}.* 50 %  50 MiB / 100 MiB", each) for each in lines
    )
    assert lines[-2].startswith("SUCCEEDED")
    assert "100 %" in lines[-2]
    assert "succeeded" in lines[-1]


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_bar_fits_the_terminal(server: FakeServer, columns: int) -> None:
    with pull(server, columns=columns) as terminal:
        terminal.sees("RUNNING")
        finish(server)
        terminal.end()
    bars = [line for line in drawn(terminal.text) if line[:7] in ("RUNNING", "SUCCEED")]
    assert bars
    assert all(len(line) < columns for line in bars)


def test_a_terminal_has_colours(server: FakeServer) -> None:
    finish(server)
    with pull(server) as terminal:
        terminal.end()
    assert "\x1b[32mSUCCEEDED" in terminal.text


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_none_has_no_colours(
    server: FakeServer, env: dict[str, str]
) -> None:
    finish(server)
    with pull(server, env=env) as terminal:
        terminal.end()
    assert not ESCAPE.search(terminal.text)


def test_colour_can_be_forced(server: FakeServer) -> None:
    finish(server)
    with pull(server, "--color", "always", env={"NO_COLOR": "1"}) as terminal:
        terminal.end()
    assert ESCAPE.search(terminal.text)


def test_a_dumb_terminal_gets_plain_lines(server: FakeServer) -> None:
    with pull(server, env={"TERM": "dumb"}) as terminal:
        terminal.sees("50 %")
        finish(server)
        terminal.end()
    assert "\x1b" not in terminal.text
    assert "made  RUNNING  50 %" in terminal.text


def test_without_rich_there_are_plain_lines_and_a_hint(
    server: FakeServer, tmp_path: Path
) -> None:
    with pull(server, env=without("rich", tmp_path)) as terminal:
        terminal.sees("50 %")
        finish(server)
        assert terminal.end() == Exit.DONE
    assert "made  RUNNING  50 %" in terminal.text
    hint = "longshore: a live bar is drawn by rich: pip install rich"
    assert terminal.text.count(hint) == 1
    assert "\x1b" not in terminal.text


def test_the_first_ctrl_c_cancels_the_job(server: FakeServer) -> None:
    with pull(server) as terminal:
        terminal.sees("RUNNING")
        terminal.ctrl_c()
        terminal.sees("cancelling the job; Ctrl-C twice more stops waiting for its end")
        server.wait_for(lambda fake: bool(fake.called("CancelJob")))
        finish(server, "CANCELLED")
        assert terminal.end() == Exit.CANCELLED
    assert len(server.called("CancelJob")) == 1


def test_the_third_ctrl_c_stops_the_waiting(server: FakeServer) -> None:
    server.answers["CancelJob"] = job_service_pb2.CancelJobResponse()
    with pull(server) as terminal:
        terminal.sees("RUNNING")
        terminal.ctrl_c()
        terminal.sees("Ctrl-C twice more")
        server.wait_for(lambda fake: bool(fake.called("CancelJob")))
        terminal.ctrl_c()
        terminal.sees("Ctrl-C once more")
        terminal.ctrl_c()
        assert terminal.end() == Exit.DETACHED
    left = "stopped waiting; the job is being cancelled: longshore wait made"
    assert left in terminal.text
    shown, hidden = "\x1b[?25h", "\x1b[?25l"
    assert terminal.text.rindex(shown) > terminal.text.rindex(hidden)
    assert len(server.called("CancelJob")) == 1
    server.wait_for(lambda fake: fake.watchers == 0)


def test_a_daemon_that_is_slow_does_not_hold_up_the_ladder(server: FakeServer) -> None:
    asked, answered = threading.Event(), threading.Event()

    def slowly(request: job_service_pb2.CancelJobRequest) -> object:
        asked.set()
        # Blocks the whole daemon: nothing can be answered until it is over.
        answered.wait(20)
        return job_service_pb2.CancelJobResponse()

    server.answers["CancelJob"] = slowly
    with pull(server) as terminal:
        terminal.sees("RUNNING")
        terminal.ctrl_c()
        assert asked.wait(20)
        terminal.ctrl_c()
        terminal.sees("once more")
        terminal.ctrl_c()
        assert terminal.end() == Exit.DETACHED
        answered.set()
    assert "stopped waiting; the daemon has not answered yet" in terminal.text


def test_a_cancel_that_is_refused_is_told(server: FakeServer) -> None:
    no = Refusal(Code.PERMISSION_DENIED, "PERMISSION_DENIED", "You may not")
    server.fail("CancelJob", no)
    with pull(server) as terminal:
        terminal.sees("RUNNING")
        terminal.ctrl_c()
        terminal.sees("the job was not cancelled and goes on: You may not")
        finish(server)
        assert terminal.end() == Exit.DONE


def test_who_only_waits_cancels_nothing_by_ctrl_c(server: FakeServer) -> None:
    with Terminal("-s", server.address, "wait", "made") as terminal:
        terminal.sees("RUNNING")
        terminal.ctrl_c()
        assert terminal.end() == Exit.DETACHED
    assert "the job goes on: longshore wait made" in terminal.text
    assert server.called("CancelJob") == []


def test_who_waits_for_several_leaves_all_of_them(server: FakeServer) -> None:
    server.put("more")
    with Terminal("-s", server.address, "wait", "made", "more") as terminal:
        terminal.sees("RUNNING")
        terminal.ctrl_c()
        assert terminal.end() == Exit.DETACHED
    assert "the jobs go on: longshore wait made more" in terminal.text


def test_a_watch_that_is_left_says_how_to_go_on(server: FakeServer) -> None:
    with Terminal("-s", server.address, "watch") as terminal:
        terminal.sees("is        made  RUNNING    50 %")
        server.put("made", "PAUSED")
        terminal.sees("PAUSED")
        terminal.ctrl_c()
        assert terminal.end() == Exit.DETACHED
    assert f"longshore watch --since {server.history}:" in terminal.text


def test_top_draws_on_a_screen_of_its_own(server: FakeServer) -> None:
    with Terminal("-s", server.address, "top", columns=120) as terminal:
        terminal.sees("1 running")
        server.put("made", "PAUSED")
        terminal.sees("1 paused  (q ends)")
        terminal.ctrl_c()
        assert terminal.end() == Exit.DONE
    assert "\x1b[?1049h" in terminal.text
    assert "no jobs" not in terminal.text
    assert "\r\r" not in terminal.text
    assert terminal.text.rstrip().endswith("\x1b[?25h\x1b[?1049l")


def test_top_says_for_how_long_the_daemon_is_away(server: FakeServer) -> None:
    with Terminal("-s", server.address, "top", columns=120) as terminal:
        terminal.sees("1 running")
        server.stop()
        terminal.sees("1 running: the connection to the daemon was lost")
        server.start()
        server.put("made", "PAUSED")
        terminal.sees("1 paused  (q ends)\x1b[K")
        os.write(terminal._master, b"q")
        assert terminal.end() == Exit.DONE


def test_a_list_fits_the_terminal(server: FakeServer) -> None:
    with Terminal("-s", server.address, "list", columns=60) as terminal:
        terminal.end()
    lines = ESCAPE.sub("", terminal.text).splitlines()
    assert lines[0].split() == ["JOB", "KIND", "STATE", "DONE", "RATE", "ETA"]
    assert all(len(line) <= 60 for line in lines)
