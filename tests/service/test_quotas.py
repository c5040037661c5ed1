"""Limits of one caller: calls a second, watches, jobs. Nobody else feels them."""

from contextlib import closing

import grpc
import pytest
from google.rpc import error_details_pb2

from longshore.v1 import job_service_pb2 as pb
from longshored.config.settings import JobSettings, ServerSettings, WatchSettings
from longshored.errors import Kind, ServiceError
from longshored.service.quotas import CallRates
from longshored.service.watchers import Watchers
from tests.service.conftest import Open
from tests.support.calls import Refusal, create, from_now, refusal, watching
from tests.support.certificates import Authority
from tests.support.clock import FakeClock
from tests.support.credentials import (
    ADMIN_TOKEN,
    OPERATOR_TOKEN,
    SecurePlace,
    secure,
)
from tests.support.daemon import LocalDaemon, Place, Stubs
from tests.support.drivers import Scripted, Steady

C = grpc.StatusCode


def is_taken(rates: CallRates, caller: str) -> bool:
    try:
        rates.take(caller)
    except ServiceError as error:
        return error.kind is not Kind.RATE_LIMIT
    return True


def served(rates: CallRates, caller: str, tries: int) -> int:
    return sum(is_taken(rates, caller) for _ in range(tries))


def test_a_second_of_calls_may_come_at_once_and_then_as_many_a_second() -> None:
    clock = FakeClock()
    rates = CallRates(clock, 10)
    assert served(rates, "a", 100) == 10
    for _ in range(20):
        clock.advance(0.1)
        assert served(rates, "a", 5) == 1


def test_idle_time_is_not_saved_beyond_a_second() -> None:
    clock = FakeClock()
    rates = CallRates(clock, 10)
    rates.take("a")
    clock.advance(3600)
    assert served(rates, "a", 100) == 10


def test_callers_do_not_feel_each_other() -> None:
    rates = CallRates(FakeClock(), 3)
    assert served(rates, "loud", 1000) == 3
    assert served(rates, "quiet", 3) == 3


def test_a_refusal_says_when_to_come_again_and_then_it_is_true() -> None:
    clock = FakeClock()
    rates = CallRates(clock, 4)
    served(rates, "a", 4)
    with pytest.raises(ServiceError) as caught:
        rates.take("a")
    assert caught.value.retry_delay == pytest.approx(0.25)
    clock.advance(0.25)
    rates.take("a")


def test_no_limit_and_another_limit() -> None:
    rates = CallRates(FakeClock(), 0)
    assert served(rates, "a", 1000) == 1000
    rates.set(2)
    assert served(rates, "a", 1000) == 2
    rates.set(2)
    assert served(rates, "a", 1000) == 0


def test_watches_of_a_caller_are_counted_over_all_connections() -> None:
    watchers = Watchers(most=100, most_per_client=100, most_per_caller=2)
    watchers.enter("one", "ci")
    watchers.enter("two", "ci")
    with pytest.raises(ServiceError) as caught:
        watchers.enter("three", "ci")
    assert caught.value.facts["limit_name"] == "caller_watch_count"
    watchers.enter("three", "panel")
    watchers.leave("one", "ci")
    watchers.enter("three", "ci")
    assert watchers.total == 3


# Over the wire.


@pytest.fixture
def driver() -> Scripted:
    driver = Scripted()
    for name in ("a", "b", "c"):
        driver.script(name, run=Steady())
    return driver


def is_limit(told: Refusal, reason: str, name: str) -> None:
    assert (told.code, told.reason) == (C.RESOURCE_EXHAUSTED, reason)
    assert told.info.metadata["limitName"] == name
    assert told.detail(error_details_pb2.RetryInfo).retry_delay.ToNanoseconds() > 0
    assert told.detail(error_details_pb2.QuotaFailure).violations


def test_calls_over_the_rate_are_refused_and_what_helps_is_served(
    open_daemon: Open, place: Place
) -> None:
    server = ServerSettings(listen=(place.address,), caller_calls_per_second=2)
    with closing(open_daemon(sections={"server": server}).connect()) as stubs:
        create(stubs, "a", job_id="a")
        told = None
        while told is None:
            try:
                stubs.jobs.ListJobs(pb.ListJobsRequest())
            except grpc.RpcError as error:
                told = Refusal(error)
        is_limit(told, "RATE_LIMIT", "caller_calls_per_second")
        for _ in range(20):
            stubs.jobs.GetJob(pb.GetJobRequest(job_id="a"))
        stubs.jobs.CancelJob(pb.CancelJobRequest(job_id="a"))


def test_watches_over_the_limit_are_refused(open_daemon: Open) -> None:
    watch = WatchSettings(most_per_caller=1)
    with (
        closing(open_daemon(sections={"watch": watch}).connect()) as stubs,
        watching(stubs, from_now=from_now()) as first,
    ):
        first.next_of("opened")
        with watching(stubs, from_now=from_now()) as second:
            is_limit(second.ended(), "WATCH_LIMIT", "caller_watch_count")


def token_callers(daemon: LocalDaemon, authority: Authority) -> tuple[Stubs, Stubs]:
    address, ca = daemon.addresses[0], authority.ca
    return (
        secure(address, ca, token=OPERATOR_TOKEN),
        secure(address, ca, token=ADMIN_TOKEN),
    )


def test_jobs_over_the_limit_are_refused_to_their_owner_alone(
    open_daemon: Open, place: Place, authority: Authority, driver: Scripted
) -> None:
    there = SecurePlace(place, authority, wants_certificate=False)
    there.write_tokens()
    config = there.config(jobs=JobSettings(most_unfinished_per_caller=1))
    names = ("server", "tls", "access", "jobs")
    daemon = open_daemon(sections={name: getattr(config, name) for name in names})
    ci, root = token_callers(daemon, authority)
    with closing(ci), closing(root):
        create(ci, "a", job_id="a")
        told = refusal(lambda: create(ci, "b"))
        is_limit(told, "JOB_LIMIT", "caller_unfinished_job_count")
        assert "token:ci has 1" in told.message
        create(root, "b")
        # An operator acts on every job, and what has ended does not count.
        root.jobs.CancelJob(pb.CancelJobRequest(job_id="a"))
        root.jobs.WaitJob(pb.WaitJobRequest(job_id="a"))
        create(ci, "c")
