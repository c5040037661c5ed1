"""Explanations: why a job is where it is, and what to do."""

import re

import pytest

from longshore.cli.exits import Exit
from longshore.requests import pull_info
from longshore.v1 import (
    job_pb2,
    node_pb2,
)
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer
from tests.support.jobs import progress, queued


def test_several_are_explained(server: FakeServer, cli: Cli) -> None:
    server.put("abcd")
    server.put("efgh", "PAUSED")
    shown = cli("explain", "abcd", "efgh")
    assert "abcd (block.pull) is RUNNING" in shown.out
    assert "\n\nefgh (block.pull) is PAUSED" in shown.out


def test_an_explanation_names_who_is_in_the_way(server: FakeServer, cli: Cli) -> None:
    server.put("in-front", progress=progress(860, 2048))
    server.put("behind", "QUEUED", pending=queued().pending)
    shown = cli("explain", "behind").out
    assert "an image is in use (job in-front)" in shown
    assert "/srv/images/base image.raw" in shown
    assert "in-front RUNNING 41 %, eta ~14m 30s (9m to 20m)" in shown
    assert "next: longshore explain in-front" in shown


def test_an_explanation_does_without_a_blocker_that_is_gone(
    server: FakeServer, cli: Cli
) -> None:
    server.put("behind", "QUEUED", pending=queued().pending)
    assert cli("explain", "behind").code == Exit.DONE


@pytest.mark.parametrize(
    ("state", "action", "advice"),
    [
        ("PAUSED", job_pb2.JOB_ACTION_RESUME, "longshore resume a"),
        ("READY", job_pb2.JOB_ACTION_COMPLETE, "longshore complete a"),
        ("PENDING", job_pb2.JOB_ACTION_FINALIZE, "longshore finalize a"),
        ("RUNNING", job_pb2.JOB_ACTION_PAUSE, "longshore wait a"),
    ],
)
def test_an_explanation_ends_with_what_to_do(
    server: FakeServer,
    cli: Cli,
    state: str,
    action: job_pb2.JobAction.ValueType,
    advice: str,
) -> None:
    server.put("a", state, actions=[action])
    assert f"next: {advice}" in cli("explain", "a").out


@pytest.mark.parametrize(
    ("holder", "advice"),
    [
        (job_pb2.PAUSE_HOLDER_USER, "longshore resume a"),
        (job_pb2.PAUSE_HOLDER_ERROR_POLICY, "longshore resume a"),
        (job_pb2.PAUSE_HOLDER_WINDOW, "longshore wait a"),
    ],
)
def test_a_queued_job_that_is_paused_is_to_be_resumed(
    server: FakeServer, cli: Cli, holder: job_pb2.PauseHolder.ValueType, advice: str
) -> None:
    pause = job_pb2.JobPause(holder=holder, reason="paused")
    server.put("a", "QUEUED", pauses=[pause], actions=[job_pb2.JOB_ACTION_RESUME])
    assert f"next: {advice}\n" in cli("explain", "a").out


def reasons(shown: str) -> list[str]:
    """The titles of an explanation's lines, but not what follows them."""
    return re.findall(r"^  ([a-z ]+):", shown, re.MULTILINE)


def transition(reason: str) -> job_pb2.JobTransition:
    return job_pb2.JobTransition(reason=reason, actor="unix")


def test_an_explanation_says_once_that_it_is_paused(
    server: FakeServer, cli: Cli
) -> None:
    pause = job_pb2.JobPause(reason="paused", actor="unix")
    server.put("a", "PAUSED", pauses=[pause], history=[transition("paused")])
    assert reasons(cli("explain", "a").out) == ["paused", "you may", "next"]
    why = job_pb2.JobPending(
        reason=job_pb2.PENDING_REASON_PAUSED, message="Paused: paused"
    )
    server.put("b", "QUEUED", pauses=[pause], pending=why)
    assert reasons(cli("explain", "b").out) == ["paused", "you may", "next"]


def test_an_explanation_of_a_queued_job_begins_with_what_it_waits_for(
    server: FakeServer, cli: Cli
) -> None:
    made = [transition("created")]
    server.put("behind", "QUEUED", pending=queued().pending, history=made)
    shown = cli("explain", "behind").out
    assert reasons(shown)[:2] == ["waits", "for"]
    assert "created" not in shown


def test_an_explanation_of_a_failure_ends_with_what_to_do(
    server: FakeServer, cli: Cli
) -> None:
    info = pull_info("/a top", ("/base", "raw"), [("/base", "raw")])
    server.put("a", "FAILED", info=info)
    again = "longshore pull '/a top' --base /base --base-format raw --link raw:/base"
    shown = cli("explain", "a").out
    assert f"next: when the cause is gone, the same again: {again}\n" in shown


@pytest.mark.parametrize(("is_active", "verb"), [(True, "holds"), (False, "will hold")])
def test_an_explanation_tells_what_is_held_from_what_will_be(
    server: FakeServer, cli: Cli, verb: str, *, is_active: bool
) -> None:
    hold = node_pb2.Hold(active=is_active)
    node = node_pb2.JobNode(role=node_pb2.NODE_ROLE_TOP, uri="file:///top", hold=hold)
    server.put("a", nodes=[node])
    assert f"\n  {verb} /top as top: " in cli("explain", "a").out


def test_an_explanation_says_where_the_time_went(server: FakeServer, cli: Cli) -> None:
    made = progress(1, 2)
    made.ledger.throttled.FromSeconds(90)
    made.ledger.writing.FromSeconds(10)
    server.put("a", progress=made)
    assert "throttled 90 %, writing 10 %" in cli("explain", "a").out
