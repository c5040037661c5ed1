"""A daemon that goes away while it is waited for, and comes back."""

import pytest

from longshore.cli.away import Notice
from longshore.cli.exits import Exit
from longshore.errors import ConnectionFailed, HistoryLost
from longshore.v1 import job_service_pb2
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer
from tests.support.refusals import Code, Refusal

LOST = "longshore: the connection to the daemon was lost; trying again"
BACK = "longshore: the daemon is back"


def told(text: str) -> list[str]:
    return [line for line in text.splitlines() if line in (LOST, BACK)]


@pytest.mark.parametrize("command", ["wait", "watch"])
def test_a_stream_that_breaks_is_told_once(
    server: FakeServer, cli: Cli, command: str
) -> None:
    server.put("a", "SUCCEEDED")
    # Cut after a frame, then twice before any.
    server.cuts.extend([1, 0, 0])
    shown = cli(command, "a")
    assert shown.code == Exit.DONE
    assert told(shown.err) == [LOST, BACK]
    assert told(shown.out) == []


def test_a_submit_that_waits_tells_it_too(server: FakeServer, cli: Cli) -> None:
    made = server.put("made", "SUCCEEDED")
    server.answers["CreateJob"] = job_service_pb2.CreateJobResponse(job=made)
    server.cuts.append(1)
    assert told(cli("pull", "/top", "--wait").err) == [LOST, BACK]


def test_a_cancel_that_waits_tells_it_too(server: FakeServer, cli: Cli) -> None:
    job = server.put("a", "CANCELLED")
    server.answers["CancelJob"] = job_service_pb2.CancelJobResponse(job=job)
    server.fail("WaitJob", Refusal(Code.UNAVAILABLE))
    assert told(cli("cancel", "a", "--wait").err) == [LOST, BACK]


def test_a_daemon_that_was_never_there_is_not_lost(
    server: FakeServer, cli: Cli
) -> None:
    server.fail("ListJobs", *[Refusal(Code.UNAVAILABLE)] * 4)
    shown = cli("list")
    assert shown.code == Exit.UNREACHABLE
    assert told(shown.err) == []


def test_a_wait_for_a_state_tells_it_too(server: FakeServer, cli: Cli) -> None:
    server.put("a", "PAUSED")
    server.fail("WaitJob", *[Refusal(Code.UNAVAILABLE)] * 2)
    shown = cli("wait", "a", "--for", "paused")
    assert shown.code == Exit.DONE
    assert told(shown.err) == [LOST, BACK]


@pytest.mark.parametrize("words", [("wait", "a"), ("wait", "a", "--for", "paused")])
def test_quiet_is_quiet(server: FakeServer, cli: Cli, words: tuple[str, ...]) -> None:
    server.put("a", "PAUSED" if "--for" in words else "SUCCEEDED")
    server.cuts.append(1)
    server.fail("WaitJob", Refusal(Code.UNAVAILABLE))
    assert told(cli("-q", *words).err) == []


def test_it_is_told_again_when_it_happens_again() -> None:
    said: list[str] = []
    notice = Notice(is_quiet=False)
    with notice.said_by(said.append):
        notice.heard()
        notice.failed(HistoryLost("another matter"))
        assert said == []
        for _ in range(2):
            notice.failed(ConnectionFailed("gone"))
            notice.failed(ConnectionFailed("gone"))
            assert notice.is_away
            notice.heard()
            notice.heard()
            assert not notice.is_away
    assert [f"longshore: {text}" for text in said] == [LOST, BACK] * 2
