"""Every mutation leaves one line, whoever tried it and whatever became of it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import system_service_pb2
from longshored.config.settings import AccessSettings
from longshored.job.nodes import Node
from longshored.job.spec import Spec
from longshored.service.calls import mutates
from longshored.service.server import SERVICES
from tests.service.conftest import Open, OpenSecure
from tests.support.calls import create, pull, refusal, wait
from tests.support.certificates import Authority
from tests.support.credentials import SecurePlace, secure
from tests.support.daemon import PATIENCE, LocalDaemon, Place, Stubs
from tests.support.drivers import Scripted

WRONG = "wrong-0123456789-abcdefghij"

MUTATIONS = {
    method.name for service in SERVICES for method in service.methods if mutates(method)
}


@pytest.fixture
def lines() -> Iterator[list[EventDict]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def audit(lines: list[EventDict]) -> Callable[[int], list[EventDict]]:
    """So many audit lines, once they are there: a call is answered before its line."""

    def take(count: int) -> list[EventDict]:
        deadline = time.monotonic() + PATIENCE
        while True:
            found = [line for line in lines if line["event"] == "audit"]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {count} lines"
            time.sleep(0.002)

    return take


Audit = Callable[[int], list[EventDict]]


def ask_all(stubs: Stubs) -> None:
    """Call every unary method once, with an empty request."""
    for service in SERVICES:
        for method in service.methods:
            if not method.server_streaming:
                path = f"/{service.full_name}/{method.name}"
                call: Any = stubs.channel.unary_unary(path)
                with suppress(grpc.RpcError):
                    call(b"", timeout=PATIENCE)


def test_every_mutation_leaves_a_line_and_nothing_else_does(
    daemon: LocalDaemon, audit: Audit
) -> None:
    with closing(daemon.connect()) as stubs:
        ask_all(stubs)
        create(stubs)
    found = audit(len(MUTATIONS) + 1)
    assert Counter(line["rpc"] for line in found) == {
        **dict.fromkeys(MUTATIONS, 1),
        "CreateJob": 2,
    }
    assert Counter(line["outcome"] for line in found) == {
        "served": 1,
        "refused": len(MUTATIONS),
    }
    assert len({line["request_id"] for line in found}) == len(found)


def test_every_mutation_that_is_not_allowed_leaves_a_line(
    open_daemon: Open, audit: Audit
) -> None:
    access = AccessSettings(socket_role="viewer")
    with closing(open_daemon(sections={"access": access}).connect()) as stubs:
        ask_all(stubs)
    found = audit(len(MUTATIONS))
    assert Counter(line["rpc"] for line in found) == dict.fromkeys(MUTATIONS, 1)
    assert {line["outcome"] for line in found} == {"refused"}
    assert {line["reason"] for line in found} == {"PERMISSION_DENIED"}
    assert {(line["caller"], line["role"]) for line in found} == {("unix", "viewer")}


def test_every_mutation_of_someone_unknown_leaves_a_line(
    open_secure: OpenSecure, place: Place, authority: Authority, audit: Audit
) -> None:
    there = SecurePlace(place, authority, wants_certificate=False)
    there.write_tokens()
    address = open_secure(there).addresses[0]
    with closing(secure(address, authority.ca, token=WRONG)) as stubs:
        ask_all(stubs)
    found = audit(len(MUTATIONS))
    assert Counter(line["rpc"] for line in found) == dict.fromkeys(MUTATIONS, 1)
    assert {line["reason"] for line in found} == {"CREDENTIALS_INVALID"}
    assert {(line["caller"], line["role"]) for line in found} == {("unknown", "none")}
    assert all(line["peer"].startswith("ipv4:127.0.0.1:") for line in found)
    assert WRONG not in str(found)


def test_a_line_says_who_did_what_to_which_job(
    daemon: LocalDaemon, audit: Audit
) -> None:
    with closing(daemon.connect()) as stubs:
        job = create(stubs)
        wait(stubs, job.job_id)
        stubs.jobs.DismissJob(pb.DismissJobRequest(job_id=job.job_id))
    made, dismissed = audit(2)
    assert made["job"] == dismissed["job"] == job.job_id
    assert (made["rpc"], dismissed["rpc"]) == ("CreateJob", "DismissJob")
    assert (made["caller"], made["role"], made["outcome"]) == (
        "unix",
        "admin",
        "served",
    )


@pytest.mark.parametrize(
    ("told", "written"),
    [("x" * 9000, "x" * 512), ("a\nready", r"'a\nready'"), ("\x1b[2J", r"'\x1b[2J'")],
    ids=["endless", "two lines", "clears the screen"],
)
def test_words_of_a_caller_stay_on_their_line(
    daemon: LocalDaemon, audit: Audit, told: str, written: str
) -> None:
    with closing(daemon.connect()) as stubs:
        refusal(lambda: stubs.jobs.DismissJob(pb.DismissJobRequest(job_id=told)))
    (line,) = audit(1)
    assert line["job"] == written
    assert str(line["message"]).isprintable()


def test_a_line_says_whose_limit_changes(daemon: LocalDaemon, audit: Audit) -> None:
    request = system_service_pb2.UpdateRateLimitsRequest()
    request.scope.device = "8:0"
    request.rate_limit.iops = 7
    with closing(daemon.connect()) as stubs:
        stubs.system.UpdateRateLimits(request)
    (line,) = audit(1)
    assert (line["target"], line["outcome"]) == ("8:0", "served")


def test_the_line_of_a_new_job_names_its_image(
    daemon: LocalDaemon, audit: Audit
) -> None:
    group = pb.CreateJobGroupRequest()
    for name in ("b", "c"):
        group.members.add().info.CopyFrom(pull(name).info)
    with closing(daemon.connect()) as stubs:
        create(stubs, "a")
        stubs.jobs.CreateJobGroup(group)
    one, all_of_them = audit(2)
    assert one["target"] == "/images/a.qcow2"
    assert all_of_them["target"] == "/images/b.qcow2, /images/c.qcow2"


class Lost(Scripted):
    """A driver that looks at nodes until the test has seen enough."""

    def __init__(self, *, bug: bool) -> None:
        super().__init__()
        self.asked, self.go_on = threading.Event(), threading.Event()
        self._bug = bug

    def nodes(self, spec: Spec) -> tuple[Node, ...]:
        self.asked.set()
        assert self.go_on.wait(PATIENCE)
        if self._bug:
            raise RuntimeError("a bug")
        return super().nodes(spec)


def test_a_call_that_is_given_up_leaves_a_line(open_daemon: Open, audit: Audit) -> None:
    driver = Lost(bug=False)
    with closing(open_daemon(drivers=[driver]).connect()) as stubs:
        call = stubs.jobs.CreateJob.future(pull("a", job_id="a"))
        assert driver.asked.wait(PATIENCE)
        call.cancel()
        (line,) = audit(1)
        driver.go_on.set()
        assert (line["outcome"], line["job"]) == ("abandoned", "a")


def test_a_bug_leaves_a_line(open_daemon: Open, audit: Audit) -> None:
    driver = Lost(bug=True)
    driver.go_on.set()
    with closing(open_daemon(drivers=[driver]).connect()) as stubs:
        told = refusal(lambda: create(stubs))
    (line,) = audit(1)
    assert (line["outcome"], line["reason"]) == ("failed", "INTERNAL")
    assert line["request_id"] in told.message
