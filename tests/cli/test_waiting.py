"""Waiting where nothing is a terminal: lines for a log, JSON for a program."""

import json
import threading
from collections.abc import Callable

import pytest

from longshore.cli.display import PLAIN_SECONDS, Plain
from longshore.cli.exits import Exit
from longshore.cli.waiting import newest
from longshore.v1 import job_pb2, job_service_pb2
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer
from tests.support.jobs import MiB, job, progress
from tests.support.refusals import Frame, Refusal, closing, opened, whole


def watched(server: FakeServer, tenths: int) -> None:
    """The next watch tells of a job's whole way, and of its end."""
    first = job("a", "RUNNING", progress=progress(0, 100 * MiB))
    last = job("a", "SUCCEEDED", progress=progress(100 * MiB, 100 * MiB))
    server.jobs["a"] = last
    frames: list[Frame | Refusal] = [opened(), *whole(server.cursor(1), [first])]
    for step in range(10 * tenths):
        frame = Frame()
        sample = frame.progress.samples.add(job_id="a")
        sample.progress.CopyFrom(progress(step * MiB, 100 * MiB))
        frames.append(frame)
    frames += [ended(server, last), closing("FINISHED", server.cursor(2))]
    server.scripts.append(frames)


def ended(server: FakeServer, last: job_pb2.Job) -> Frame:
    frame = Frame(cursor=server.cursor(2))
    frame.events.events.add(revision=2, job=last)
    return frame


def test_a_pipe_gets_a_line_for_each_tenth(server: FakeServer, cli: Cli) -> None:
    watched(server, tenths=10)
    shown = cli("wait", "a")
    lines = shown.err.splitlines()
    assert shown.out == ""
    assert [line.split()[2] for line in lines[:-1]] == [
        *("0", "10", "20", "30", "40", "50", "60", "70", "80", "90"),
        "100",
    ]
    assert lines[0].startswith("a  RUNNING  0 %  0 B / 100 MiB  200 MiB/s  eta ~14m")
    assert lines[-1].startswith("longshore: job a succeeded in ")
    assert "\x1b" not in shown.err
    assert "\r" not in shown.err


def test_json_lines_tell_every_sample(server: FakeServer, cli: Cli) -> None:
    watched(server, tenths=1)
    shown = cli("wait", "a", "-o", "jsonl")
    jobs = [json.loads(line) for line in shown.lines]
    assert len(jobs) == 1 + 10 + 1
    assert jobs[-1]["state"] == "JOB_STATE_SUCCEEDED"


def test_progress_as_json_is_on_stderr(server: FakeServer, cli: Cli) -> None:
    watched(server, tenths=1)
    shown = cli("wait", "a", "--progress", "json")
    assert shown.out == ""
    assert json.loads(shown.err.splitlines()[0])["jobId"] == "a"


@pytest.mark.parametrize("words", [("-q",), ("--progress", "none")])
def test_progress_can_be_left_out(
    server: FakeServer, cli: Cli, words: tuple[str, ...]
) -> None:
    watched(server, tenths=2)
    shown = cli("wait", "a", *words)
    assert (shown.code, shown.out) == (Exit.DONE, "")
    assert "RUNNING" not in shown.err


def test_the_last_word_is_printed_for_programs(server: FakeServer, cli: Cli) -> None:
    watched(server, tenths=1)
    shown = cli("wait", "a", "-o", "json")
    assert json.loads(shown.out)["state"] == "JOB_STATE_SUCCEEDED"


def said(capsys: pytest.CaptureFixture[str], show: Callable[[], None]) -> int:
    show()
    return len(capsys.readouterr().err.splitlines())


def test_a_line_comes_at_least_so_often(capsys: pytest.CaptureFixture[str]) -> None:
    time = [0.0]
    plain = Plain(lambda: time[0])
    slow = job("a", "RUNNING", progress=progress(1, 100))
    assert said(capsys, lambda: plain.update(slow)) == 1
    time[0] = PLAIN_SECONDS - 1
    assert said(capsys, lambda: plain.update(slow)) == 0
    time[0] = PLAIN_SECONDS
    assert said(capsys, lambda: plain.update(slow)) == 1


def test_a_line_comes_when_the_state_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plain = Plain(lambda: 0.0)
    plain.update(job("a", "RUNNING"))
    plain.update(job("a", "PENDING"))
    assert capsys.readouterr().err.splitlines() == [
        "a  RUNNING",
        "a  PENDING  waits to be finalized",
    ]


def test_a_change_does_not_turn_progress_back() -> None:
    seen = job("a", "RUNNING", progress=progress(50, 100))
    seen.progress.sample_time.FromSeconds(10)
    told = job("a", "ABORTING", progress=progress(20, 100))
    told.progress.sample_time.FromSeconds(5)
    assert newest(told, seen).progress.current == 50


def test_the_end_has_the_last_word_on_progress() -> None:
    seen = job("a", "RUNNING", progress=progress(50, 100))
    seen.progress.sample_time.FromSeconds(10)
    told = job("a", "CANCELLED", progress=progress(20, 100))
    assert newest(told, seen).progress.current == 20


def test_a_state_can_be_waited_for(server: FakeServer, cli: Cli) -> None:
    server.put("a", "PAUSED")
    assert cli("wait", "a", "--for", "paused").code == Exit.DONE


def test_a_state_that_did_not_come_is_a_failure(server: FakeServer, cli: Cli) -> None:
    server.put("a", "SUCCEEDED")
    shown = cli("wait", "a", "--for", "paused", "--for", "ready")
    assert shown.code == Exit.FAILED
    assert "ended SUCCEEDED and was never paused or ready" in shown.err


def test_a_state_is_not_waited_for_for_ever(server: FakeServer, cli: Cli) -> None:
    server.put("a")
    shown = cli("wait", "a", "--for", "paused", "--timeout", "50ms")
    assert shown.code == Exit.TIMEOUT
    assert "goes on" in shown.err


def test_a_wait_for_a_job_that_is_not_there_is_an_error(
    server: FakeServer, cli: Cli
) -> None:
    assert cli("wait", "abc").code == Exit.USAGE


def test_a_job_that_vanishes_while_it_is_waited_for_is_a_failure(
    server: FakeServer, cli: Cli
) -> None:
    answer = job_service_pb2.GetJobResponse(job=job("a", "RUNNING"))
    server.answers["GetJob"] = answer
    shown = cli("wait", "a")
    assert shown.code == Exit.FAILED
    assert "nobody knows how it ended" in shown.err


def test_a_wait_outlives_a_crash_of_the_daemon(server: FakeServer, cli: Cli) -> None:
    server.put("a")

    def crash() -> None:
        server.wait_for(lambda fake: fake.watchers == 1)
        server.stop()
        server.put("a", "SUCCEEDED")
        server.start()

    thread = threading.Thread(target=crash)
    thread.start()
    assert cli("wait", "a").code == Exit.DONE
    thread.join()


def test_several_are_waited_for_and_the_worst_end_counts(
    server: FakeServer, cli: Cli
) -> None:
    warning = job_pb2.JobWarning(message="the disk is slow")
    server.put("abcd", "FAILED")
    server.put("efgh", "SUCCEEDED", warnings=[warning])
    server.put("ijkl", "CANCELLED")
    shown = cli("wait", "ijkl", "abcd", "efgh")
    assert shown.code == Exit.FAILED
    for said in ("abcd failed", "efgh succeeded", "ijkl was cancelled"):
        assert f"longshore: job {said}" in shown.err
    assert cli("wait", "efgh", "ijkl").code == Exit.CANCELLED


def test_several_for_programs_are_one_document(server: FakeServer, cli: Cli) -> None:
    server.put("abcd", "SUCCEEDED")
    server.put("efgh", "SUCCEEDED")
    jobs = json.loads(cli("wait", "abcd", "efgh", "-o", "json").out)
    assert [one["jobId"] for one in jobs] == ["abcd", "efgh"]


def test_the_time_is_that_of_all_together(server: FakeServer, cli: Cli) -> None:
    server.put("abcd")
    server.put("efgh", "SUCCEEDED")
    shown = cli("wait", "abcd", "efgh", "--timeout", "50ms")
    assert shown.code == Exit.TIMEOUT
    assert "the job goes on: longshore wait abcd" in shown.err
    assert "job efgh succeeded" in shown.err


def test_one_that_is_not_there_does_not_keep_the_others(
    server: FakeServer, cli: Cli
) -> None:
    server.put("abcd", "SUCCEEDED")
    shown = cli("wait", "nobody", "abcd")
    assert shown.code == Exit.USAGE
    assert "error: no job nobody; see" in shown.err
    assert "job abcd succeeded" in shown.err


def test_states_may_be_named_by_comma(server: FakeServer, cli: Cli) -> None:
    server.put("a", "PAUSED")
    assert cli("wait", "a", "--for", "ready,paused").code == Exit.DONE


def test_each_of_several_jobs_is_looked_at_though_the_first_takes_too_long(
    server: FakeServer, cli: Cli
) -> None:
    server.put("a", "QUEUED")
    server.put("b", "RUNNING")
    shown = cli("wait", "a", "b", "--for", "running", "--timeout", "0.2")
    assert shown.code == Exit.TIMEOUT
    assert "a" in shown.err
    assert {request.job_id for request in server.called("WaitJob")} == {"a", "b"}
