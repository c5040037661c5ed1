"""Errors speak of what was typed, not of the fields of the API."""

from pathlib import Path

import pytest
from google.rpc import error_details_pb2

from longshore.cli.exits import Exit
from longshore.cli.fields import typed
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer
from tests.support.refusals import Code, Refusal

SUBMIT, SET = "submit:pull", "verbs:change"


@pytest.mark.parametrize(
    ("field", "run", "name"),
    [
        ("virtual_size_bytes", "images:create", "--size"),
        ("qcow2.cluster_size_bytes", "images:create", "--cluster-size"),
        ("image.uri", "images:chain", "the image"),
        ("backing.format", "images:create", "--backing-format"),
        ("backing_chain[0].uri", "images:map", "--link"),
        ("info.block.pull.spec.base.uri", SUBMIT, "--base"),
        ("request.info.block.pull.spec.top.uri", "submit:plan", "the image"),
        ("options.windows[0].time_zone", SUBMIT, "--window"),
        ("options.windows[1].duration_minutes", SET, "window"),
        ("options.priority", SET, "priority"),
        ("options.source_error_policy.action", SUBMIT, "--on-error"),
        ("rate_limit.burst_bytes", "limits:of_daemon", "burst"),
        ("selector.labels", "queries:listing", "--label"),
        ("after[0]", SUBMIT, "--after"),
        ("job_id", SUBMIT, "--job-id"),
        ("job_id", SET, "JOB"),
        ("page_size", "queries:listing", "page_size"),
    ],
)
def test_a_field_is_what_was_typed(field: str, run: str, name: str) -> None:
    assert typed(field, run) == name


def refusal(*fields: str, wrong: str = "Must be less") -> Refusal:
    bad = error_details_pb2.BadRequest()
    for field in fields:
        bad.field_violations.add(field=field, description=wrong)
    message = f"{fields[0]}: {wrong}" if len(fields) == 1 else "Two are wrong"
    return Refusal(Code.INVALID_ARGUMENT, "FIELD_INVALID", message, details=(bad,))


def test_an_error_names_the_option(server: FakeServer, cli: Cli) -> None:
    server.fail("CreateJob", refusal("options.iops"))
    shown = cli("pull", "/top", "--iops", "3")
    assert shown.err == "error: --iops: Must be less [FIELD_INVALID]\n"


def test_what_is_wrong_names_options_too(server: FakeServer, cli: Cli) -> None:
    needs = "Needs speed_bytes_per_second"
    server.fail("CreateJob", refusal("options.burst_bytes", wrong=needs))
    assert "--burst: Needs --rate [" in cli("pull", "/top").err


def test_an_error_of_two_names_both(server: FakeServer, cli: Cli) -> None:
    server.fail("CreateJob", refusal("options.iops", "options.priority"))
    shown = cli("pull", "/top")
    assert "--iops: Must be less; --priority: Must be less" in shown.err


def test_one_of_several_jobs_has_it_too(server: FakeServer, cli: Cli) -> None:
    server.put("aaaa")
    server.put("bbbb")
    server.fail("PauseJob", refusal("comment"), refusal("comment"))
    shown = cli("pause", "aaaa", "bbbb", "--comment", "x")
    assert "error: aaaa: --comment: Must be less" in shown.err


def test_an_error_of_what_was_found_by_a_field_names_the_option(
    server: FakeServer, cli: Cli
) -> None:
    facts = {"firstField": "after[0]", "jobId": "nope"}
    missing = Refusal(Code.NOT_FOUND, "JOB_NOT_FOUND", "after[0]: No job nope", facts)
    server.fail("CreateJob", missing)
    shown = cli("pull", "/top", "--after", "nope")
    assert shown.err.startswith("error: --after: No job nope")


@pytest.mark.parametrize(
    ("words", "method", "path", "hint"),
    [
        (("chain", "/a.raw"), "GetImage", "/a.raw", "--format raw"),
        (("map", "a.raw"), "MapImage", str(Path.cwd() / "a.raw"), "--format raw"),
        (
            ("create-image", "/t", "--backing", "/b"),
            "CreateImage",
            "/b",
            "--backing-format raw",
        ),
        (("pull", "/t"), "CreateJob", "/t", "--format raw, but raw has no backing"),
        (("pull", "/t"), "CreateJob", "/b", "--link raw:/b"),
        (
            ("pull", "/t", "--base", "/b", "--base-format", "qcow2"),
            "CreateJob",
            "/b",
            "--base-format raw",
        ),
    ],
)
def test_an_image_that_is_not_qcow2_may_be_raw(
    server: FakeServer,
    cli: Cli,
    words: tuple[str, ...],
    method: str,
    path: str,
    hint: str,
) -> None:
    facts = {"uri": path}
    wrong = Refusal(
        Code.FAILED_PRECONDITION, "IMAGE_INVALID", "Not a qcow2 file", facts
    )
    server.fail(method, wrong)
    shown = cli(*words)
    assert shown.code == Exit.FAILED
    assert f"hint: if {path} is a raw image, say so: {hint}" in shown.err
