"""Traces, as a collector gets them: a span a call, a span a job, and their link."""

from collections.abc import Iterator

import grpc
import pytest

from longshore.v1 import job_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.app.observe import observe
from longshored.clock import SystemClock
from longshored.config.settings import Config, MetricsSettings, TracesSettings
from longshored.errors import Kind, ServiceError
from tests.service.conftest import Open
from tests.support.calls import finished, pull, refusal
from tests.support.collector import Collector, collector
from tests.support.daemon import PATIENCE, LocalDaemon
from tests.support.drivers import KIND, Scripted, raising

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
CREATE = "longshore.v1.JobService/CreateJob"
SERVER = 2
ERROR = 2


@pytest.fixture
def collected() -> Iterator[Collector]:
    with collector() as found:
        yield found


@pytest.fixture
def daemon(open_daemon: Open, collected: Collector) -> LocalDaemon:
    return open_daemon(sections={"traces": TracesSettings((collected.url,))})


def ended_job(daemon: LocalDaemon, traceparent: str = "") -> job_pb2.Job:
    """A job that has ended, of a daemon that has sent all its spans."""
    stubs = daemon.connect()
    metadata = (("traceparent", traceparent),) if traceparent else ()
    made = stubs.jobs.CreateJob(pull("a"), timeout=PATIENCE, metadata=metadata).job
    job = finished(stubs, made.job_id)
    stubs.close()
    daemon.stop()
    return job


def test_a_call_is_a_span_of_the_caller_s_trace(
    daemon: LocalDaemon, collected: Collector
) -> None:
    ended_job(daemon, PARENT)
    span = collected.named(CREATE)
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert span.kind == SERVER
    attributes = {one.key: one.value for one in span.attributes}
    assert attributes["rpc.method"].string_value == "CreateJob"
    assert attributes["rpc.grpc.status_code"].int_value == 0


def test_a_job_is_the_root_of_its_own_trace_and_linked_to_its_call(
    daemon: LocalDaemon, collected: Collector
) -> None:
    job = ended_job(daemon, PARENT)
    call, span = collected.named(CREATE), collected.named(f"job {KIND}")
    assert span.trace_id.hex() == job.trace_id == job.uid.replace("-", "")
    assert span.parent_span_id == b""
    (link,) = span.links
    assert (link.trace_id, link.span_id) == (call.trace_id, call.span_id)
    assert job.traceparent == f"00-{TRACE}-{call.span_id.hex()}-01"


def test_a_job_s_span_is_its_life(daemon: LocalDaemon, collected: Collector) -> None:
    job = ended_job(daemon)
    span = collected.named(f"job {KIND}")
    assert span.start_time_unix_nano == job.create_time.ToNanoseconds()
    assert span.end_time_unix_nano == job.end_time.ToNanoseconds()
    states = [job_pb2.JobState.Name(one.state) for one in job.history]
    assert [f"JOB_STATE_{event.name}" for event in span.events] == states


def test_a_job_that_fails_is_an_error_in_its_trace(
    daemon: LocalDaemon, driver: Scripted, collected: Collector
) -> None:
    driver.script("a", run=raising(ServiceError(Kind.IO_ERROR, "The disk said no")))
    ended_job(daemon)
    span = collected.named(f"job {KIND}")
    assert (span.status.code, span.status.message) == (ERROR, "The disk said no")


def test_a_refusal_is_no_error_of_the_daemon(
    daemon: LocalDaemon, collected: Collector
) -> None:
    stubs = daemon.connect()
    told = refusal(lambda: stubs.jobs.GetJob(pb.GetJobRequest(job_id="nobody")))
    assert told.code is grpc.StatusCode.NOT_FOUND
    stubs.close()
    daemon.stop()
    span = collected.named("longshore.v1.JobService/GetJob")
    attributes = {one.key: one.value.int_value for one in span.attributes}
    assert attributes["rpc.grpc.status_code"] == grpc.StatusCode.NOT_FOUND.value[0]
    assert span.status.code == 0


@pytest.mark.parametrize("text", ["", "junk", "00-0-0-01", PARENT.upper() + "-x"])
def test_a_traceparent_that_is_none_is_ignored(
    daemon: LocalDaemon, collected: Collector, text: str
) -> None:
    ended_job(daemon, text)
    assert collected.named(CREATE).parent_span_id == b""


def test_without_the_setting_a_job_has_no_trace(open_daemon: Open) -> None:
    job = ended_job(open_daemon(), PARENT)
    assert (job.trace_id, job.traceparent) == ("", "")


def test_the_trace_of_a_job_survives_a_restart(
    open_daemon: Open, daemon: LocalDaemon
) -> None:
    job = ended_job(daemon, PARENT)
    stubs = open_daemon().connect()
    again = stubs.jobs.GetJob(pb.GetJobRequest(job_id=job.job_id)).job
    assert (again.trace_id, again.traceparent) == (job.trace_id, job.traceparent)
    stubs.close()


def test_an_endpoint_that_is_no_url_is_refused() -> None:
    with pytest.raises(ServiceError, match="URLs"):
        observe(Config(traces=TracesSettings(("localhost:4318",))), SystemClock())


def test_what_is_not_wanted_is_not_there() -> None:
    observation = observe(Config(metrics=MetricsSettings()), SystemClock())
    assert observation.around() == []
