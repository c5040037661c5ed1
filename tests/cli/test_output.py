"""Formats for programs: canonical JSON, one document or one a line; never an error
because the daemon is newer.
"""

import json

import pytest
from google.protobuf.any_pb2 import Any as Packed

from longshore.cli.output import plain
from longshore.v1 import job_pb2, job_service_pb2
from tests.cli.conftest import Cli
from tests.support.blockyaml import load
from tests.support.fakeserver import FakeServer
from tests.support.refusals import Code, Refusal


def test_json_is_canonical(server: FakeServer, cli: Cli) -> None:
    server.put("a", number=2**53 + 1)
    job = json.loads(cli("get", "a", "-o", "json").out)
    assert job["jobId"] == "a"
    assert job["number"] == "9007199254740993"
    assert job["state"] == "JOB_STATE_RUNNING"


def test_json_of_a_list_is_one_document(server: FakeServer, cli: Cli) -> None:
    server.put("a")
    server.put("b")
    jobs = json.loads(cli("-o", "json", "list").out)
    assert [job["jobId"] for job in jobs] == ["b", "a"]


def test_json_lines_are_one_document_each(server: FakeServer, cli: Cli) -> None:
    server.put("a")
    server.put("b")
    lines = cli("list", "-o", "jsonl").lines
    assert [json.loads(line)["jobId"] for line in lines] == ["b", "a"]


def test_yaml_holds_the_same(server: FakeServer, cli: Cli) -> None:
    server.put("a", labels={"vm": "yes"})
    document = cli("get", "a", "-o", "yaml").out.rstrip("\n")
    assert load(document) == json.loads(cli("get", "a", "-o", "json").out)


@pytest.mark.parametrize("verb", ["get", "cancel"])
def test_json_of_several_is_one_document(
    server: FakeServer, cli: Cli, verb: str
) -> None:
    server.put("aaaa")
    server.put("bbbb")
    server.answers["CancelJob"] = lambda request: job_service_pb2.CancelJobResponse(
        job=server.jobs[request.job_id]
    )
    shown = json.loads(cli(verb, "bbbb", "aaaa", "-o", "json").out)
    assert [job["jobId"] for job in shown] == ["bbbb", "aaaa"]


def test_several_yaml_documents_are_told_apart(server: FakeServer, cli: Cli) -> None:
    server.put("aaaa")
    server.put("bbbb")
    first, second = cli("get", "aaaa", "bbbb", "-o", "yaml").out.split("---\n")
    assert load(first.rstrip())["jobId"] == "aaaa"
    assert load(second.rstrip())["jobId"] == "bbbb"


def test_names_are_ids(server: FakeServer, cli: Cli) -> None:
    server.put("a")
    assert cli("list", "-o", "name").out == "a\n"
    assert cli("-q", "get", "a").out == "a\n"


def test_an_empty_list_is_a_document_too(server: FakeServer, cli: Cli) -> None:
    assert json.loads(cli("list", "-o", "json").out) == []
    assert cli("list", "-o", "jsonl").out == ""
    assert cli("list", "-o", "yaml").out == "[]\n"


def test_a_detail_of_a_newer_daemon_is_left_out(server: FakeServer, cli: Cli) -> None:
    error = Refusal(Code.DATA_LOSS, "IO_ERROR", "Cannot read").status()
    error.details.append(Packed(type_url="type.googleapis.com/new.Detail"))
    server.put("a", "FAILED", error=error)
    shown = json.loads(cli("get", "a", "-o", "json").out)["error"]
    assert [detail["reason"] for detail in shown["details"]] == ["IO_ERROR"]


def test_a_state_of_a_newer_daemon_is_its_number(server: FakeServer, cli: Cli) -> None:
    server.put("a").state = 99  # type: ignore[assignment]  # open enum
    server.jobs["a"].actions.append(77)  # type: ignore[arg-type]  # open enum
    assert json.loads(cli("get", "a", "-o", "json").out)["state"] == 99
    shown = cli("get", "a").out
    assert "state:   99" in shown
    assert cli("explain", "a").code == 0
    assert cli("list").code == 0


def test_what_is_no_message_is_taken_as_it_is() -> None:
    assert plain({"start": 0}) == {"start": 0}
    assert plain(job_pb2.Job(job_id="a")) == {"jobId": "a"}
