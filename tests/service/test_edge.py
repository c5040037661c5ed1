"""The edge: bugs, limits, shutdown, health, reflection, identity."""

import sqlite3
import uuid
from contextlib import closing

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import (  # type: ignore[import-untyped]  # ships no types
    health_pb2,
    health_pb2_grpc,
)
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]  # ships no types
    reflection_pb2,
    reflection_pb2_grpc,
)

from longshore.v1 import job_pb2
from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import system_service_pb2 as system_pb
from longshored.config.settings import ServerSettings
from longshored.job.spec import Spec
from longshored.job.states import MOVES, VERBS, State, Verb
from tests.service.conftest import Open
from tests.support.calls import create, refusal, wait
from tests.support.daemon import LocalDaemon, Place, Stubs
from tests.support.drivers import Scripted, Steady


class Buggy(Scripted):
    """A driver with a bug where it looks at nodes."""

    def nodes(self, spec: Spec) -> tuple[()]:
        raise RuntimeError("secret of the house")


def test_a_bug_shows_an_id_and_nothing_else(open_daemon: Open) -> None:
    stubs = open_daemon(drivers=[Buggy()]).connect()
    told = refusal(lambda: create(stubs))
    assert told.code is grpc.StatusCode.INTERNAL
    assert told.reason == "INTERNAL"
    assert "secret" not in str(told.status)
    assert told.detail(error_details_pb2.RequestInfo).request_id in told.message
    stubs.close()


def test_too_many_calls_are_refused_but_an_operator_is_served(
    open_daemon: Open, driver: Scripted, place: Place
) -> None:
    steady = Steady()
    driver.script("disk", run=steady)
    server = ServerSettings(listen=(place.address,), most_calls=0)
    stubs = open_daemon(sections={"server": server}).connect()
    told = refusal(lambda: create(stubs, job_id="a"))
    assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert told.reason == "RATE_LIMIT"
    assert told.detail(error_details_pb2.RetryInfo)
    found = refusal(lambda: stubs.jobs.CancelJob(pb.CancelJobRequest(job_id="a")))
    assert found.reason == "JOB_NOT_FOUND", "it was served"
    stubs.close()


def test_an_error_that_invites_a_retry_says_when(daemon: LocalDaemon) -> None:
    stubs = daemon.connect()
    daemon.daemon.refuse_new_work()
    told = refusal(lambda: create(stubs))
    assert told.code is grpc.StatusCode.UNAVAILABLE
    assert told.reason == "SERVER_STOPPING"
    assert int(told.trailers["grpc-retry-pushback-ms"]) > 0
    assert stubs.jobs.ListJobs(pb.ListJobsRequest()) is not None
    stubs.close()


@pytest.mark.parametrize("service", ["", "longshore.v1.JobService"])
def test_health_is_told_for_the_daemon_and_each_service(
    stubs: Stubs, service: str
) -> None:
    health = health_pb2_grpc.HealthStub(stubs.channel)
    answer = health.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_services(stubs: Stubs) -> None:
    reflection = reflection_pb2_grpc.ServerReflectionStub(stubs.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    answer = next(reflection.ServerReflectionInfo(iter([request])))
    names = {one.name for one in answer.list_services_response.service}
    assert {f"longshore.v1.{n}Service" for n in ("Job", "Image", "System")} <= names


def test_on_loopback_tcp_the_caller_is_anonymous(
    open_daemon: Open, place: Place
) -> None:
    server = ServerSettings(listen=("127.0.0.1:0",), insecure=True)
    daemon = open_daemon(sections={"server": server})
    assert not daemon.addresses[0].endswith(":0")
    stubs = daemon.connect()
    assert create(stubs).owner == "anonymous"
    stubs.close()


def test_a_daemon_may_listen_on_several_addresses(
    open_daemon: Open, place: Place
) -> None:
    server = ServerSettings(listen=(place.address, "127.0.0.1:0"), insecure=True)
    daemon = open_daemon(sections={"server": server})
    for address in daemon.addresses:
        stubs = Stubs(grpc.insecure_channel(address))
        create(stubs, uuid.uuid4().hex)
        stubs.close()


def test_a_port_that_is_taken_is_refused(open_daemon: Open, place: Place) -> None:
    server = ServerSettings(listen=("127.0.0.1:0",), insecure=True)
    taken = open_daemon(sections={"server": server}).addresses[0]
    other = Place(place.directory / "other")
    other.directory.mkdir()
    config = other.config(server=ServerSettings(listen=(taken,), insecure=True))
    with pytest.raises(Exception, match="in use"):
        LocalDaemon(config, drivers=[Scripted()]).start()


def test_capabilities_are_the_tables_of_the_core(stubs: Stubs) -> None:
    told = stubs.system.GetCapabilities(system_pb.GetCapabilitiesRequest())
    kinds = {one.job_type: one for one in told.kinds}
    assert len(told.states) == len(State)
    assert [len(one.next_states) for one in told.states] == [
        len(MOVES[state]) for state in State
    ]
    assert [len(one.states) for one in told.actions] == [
        len(VERBS[verb]) for verb in Verb
    ]
    assert kinds["block.pull"].served
    assert not kinds["storage.wipe"].served
    assert len(kinds) == 28
    assert told.history_id
    assert told.epoch == 1
    assert told.limits.page_size == 500
    assert len(told.retention) == 3
    assert told.roots


def test_a_wait_that_is_given_up_leaves_the_job_alone(
    stubs: Stubs, driver: Scripted
) -> None:
    steady = Steady()
    driver.script("disk", run=steady)
    create(stubs, job_id="a")
    call = stubs.jobs.WaitJob.future(pb.WaitJobRequest(job_id="a"))
    wait(stubs, "a", job_pb2.JOB_STATE_RUNNING)
    call.cancel()
    steady.finish.set()
    assert wait(stubs, "a").state == job_pb2.JOB_STATE_SUCCEEDED


def test_a_store_that_fails_is_told_by_health(stubs: Stubs, place: Place) -> None:
    health = health_pb2_grpc.HealthStub(stubs.channel)
    states = health.Watch(health_pb2.HealthCheckRequest())
    assert next(states).status == health_pb2.HealthCheckResponse.SERVING
    with closing(sqlite3.connect(place.state / "jobs.sqlite")) as vandal:
        vandal.execute("DROP TABLE events")
    told = refusal(lambda: create(stubs))
    assert told.code is grpc.StatusCode.UNAVAILABLE
    assert told.reason == "STORE_UNAVAILABLE"
    assert next(states).status == health_pb2.HealthCheckResponse.NOT_SERVING
    states.cancel()
