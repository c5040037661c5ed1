"""What Prometheus is told: every name, its help, and numbers that follow calls."""

import re
import socket
import urllib.request
from collections.abc import Callable

import grpc
import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from longshore.v1 import job_pb2, watch_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.app.scrape import MOST_CONNECTIONS, Scraped, metrics_addresses
from longshored.config.settings import MetricsSettings
from longshored.drivers.base import Context
from longshored.errors import ServiceError
from longshored.service.listen import TcpAddress
from tests.service.conftest import Open
from tests.support.calls import create, finished, refusal, wait
from tests.support.daemon import LocalDaemon, Stubs
from tests.support.drivers import KIND, Scripted, Steady, node
from tests.support.loops import on_a_loop

METRICS = {"metrics": MetricsSettings(listen=("127.0.0.1:0",))}

# The names that dashboards and alerts may use, and their labels.
LABELS = {
    "grpc_server_started": {"grpc_type", "grpc_service", "grpc_method"},
    "grpc_server_handled": {"grpc_type", "grpc_service", "grpc_method", "grpc_code"},
    "grpc_server_handling_seconds": {"grpc_type", "grpc_service", "grpc_method"},
    "grpc_server_msg_sent": {"grpc_type", "grpc_service", "grpc_method"},
    "grpc_server_msg_received": {"grpc_type", "grpc_service", "grpc_method"},
    "longshore_jobs": {"kind", "state"},
    "longshore_job_pauses": {"kind", "holder"},
    "longshore_job_transitions": {"kind", "to", "reason"},
    "longshore_job_queue_seconds": {"kind"},
    "longshore_job_run_seconds": {"kind", "state"},
    "longshore_job_bytes": {"op", "device"},
    "longshore_throttle_wait_seconds": {"kind"},
    "longshore_checkpoint_age_seconds": {"kind"},
    "longshore_watchers": set[str](),
    "longshore_watch_conflated": set[str](),
    "longshore_store_commit_seconds": set[str](),
    "longshore_store_healthy": set[str](),
    "longshore_certificate_expiry_timestamp_seconds": set[str](),
    "longshore_build_info": {"version"},
}
# There is no certificate without TLS.
ABSENT = {"longshore_certificate_expiry_timestamp_seconds"}


def scrape(daemon: LocalDaemon, path: str = "/metrics") -> str:
    address = daemon.daemon.metrics_addresses[0]
    with urllib.request.urlopen(f"http://{address}{path}", timeout=20) as answer:
        assert isinstance(answer.status, int)
        text: bytes = answer.read()
    return text.decode()


def families(daemon: LocalDaemon) -> dict[str, Metric]:
    return {one.name: one for one in text_string_to_metric_families(scrape(daemon))}


def value(daemon: LocalDaemon, name: str, **labels: str) -> float | None:
    """The one sample of this name that has all these labels."""
    family = re.sub(r"_(total|sum|count|bucket)$", "", name)
    found = [
        sample.value
        for sample in families(daemon)[family].samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) <= 1, found
    return found[0] if found else None


@pytest.fixture
def daemon(open_daemon: Open, driver: Scripted) -> LocalDaemon:
    driver.script("secret", nodes=(node("secret"),), run=Steady())
    return open_daemon(sections=METRICS)


def test_every_metric_is_there_with_a_help_text_and_its_labels(
    daemon: LocalDaemon, driver: Scripted, stubs: Stubs
) -> None:
    driver.script("a", nodes=(node("a"),), run=throttled)
    finished(stubs, create(stubs, "a").job_id)
    create(stubs, "secret", job_id="hidden")
    wait(stubs, "hidden", job_pb2.JOB_STATE_RUNNING)
    found = families(daemon)
    assert found.keys() >= LABELS.keys()
    for name, labels in LABELS.items():
        family = found[name]
        assert family.documentation.endswith("."), name
        assert bool(family.samples) is (name not in ABSENT), name
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == labels, name
    assert "hidden" not in scrape(daemon)
    assert "secret" not in scrape(daemon)


def throttled(context: Context) -> None:
    """A run that reads, waits under a limit, and is done."""
    context.meter.count(read=5)
    context.meter.spend("throttled", 1.0)


def test_calls_are_counted_by_method_and_code(
    daemon: LocalDaemon, stubs: Stubs
) -> None:
    create(stubs, "a")
    refusal(lambda: stubs.jobs.GetJob(pb.GetJobRequest(job_id="nobody")))
    made = {"grpc_service": "longshore.v1.JobService", "grpc_method": "CreateJob"}
    name = "grpc_server_handled_total"
    assert value(daemon, name, **made, grpc_code="OK") == 1.0
    missing = {"grpc_method": "GetJob", "grpc_code": "NOT_FOUND"}
    assert value(daemon, name, **missing) == 1.0
    assert value(daemon, "grpc_server_handling_seconds_count", **made) == 1.0
    assert value(daemon, "grpc_server_msg_sent_total", **made) == 1.0


def test_a_watch_counts_its_messages_and_how_it_ended(
    daemon: LocalDaemon, stubs: Stubs
) -> None:
    call = stubs.jobs.WatchJobs(watch_pb2.WatchJobsRequest())
    assert next(call).HasField("opened")
    assert value(daemon, "longshore_watchers") == 1.0
    call.cancel()
    with pytest.raises(grpc.RpcError):
        list(call)
    watch = {"grpc_method": "WatchJobs"}
    assert (value(daemon, "grpc_server_msg_sent_total", **watch) or 0) >= 1
    while value(daemon, "longshore_watchers"):
        pass
    handled = value(daemon, "grpc_server_handled_total", **watch, grpc_code="CANCELLED")
    assert handled == 1.0


def test_jobs_are_shown_by_state_zero_included(
    daemon: LocalDaemon, stubs: Stubs
) -> None:
    assert value(daemon, "longshore_jobs", kind=KIND, state="SUCCEEDED") == 0.0
    finished(stubs, create(stubs, "a").job_id)
    assert value(daemon, "longshore_jobs", kind=KIND, state="SUCCEEDED") == 1.0
    assert (value(daemon, "longshore_store_commit_seconds_count") or 0) > 0


def test_nothing_but_metrics_is_answered(daemon: LocalDaemon) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        scrape(daemon, "/")


def test_without_the_setting_nothing_listens(open_daemon: Open) -> None:
    assert open_daemon().daemon.metrics_addresses == ()


def test_a_socket_path_is_no_address_for_metrics() -> None:
    with pytest.raises(ServiceError, match="HOST:PORT"):
        metrics_addresses(["unix:/run/metrics"])


def page(accept: str) -> tuple[bytes, str]:
    return b"page\n", "text/plain"


def answer_to(request: bytes) -> Callable[[TcpAddress], bytes]:
    def ask(address: TcpAddress) -> bytes:
        with socket.create_connection((address.host, address.port), 20) as peer:
            peer.sendall(request)
            answer = b""
            while more := peer.recv(4096):
                answer += more
            return answer

    return ask


@pytest.mark.parametrize(
    "request_",
    [b"", b"GET\r\n\r\n", b"x" * 20000, b"GET /metrics HTTP/1.1\r\nHost: x\r\n"],
    ids=["silence", "no path", "too much", "half a request"],
)
def test_who_speaks_no_http_is_given_up_in_time(request_: bytes) -> None:
    assert on_a_loop(Scraped(page, patience=0.05), answer_to(request_)) == b""


def test_a_request_is_answered() -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = on_a_loop(Scraped(page), answer_to(request))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\npage\n")


def test_many_who_are_silent_leave_room_after_a_while() -> None:
    def crowd(address: TcpAddress) -> bytes:
        place = (address.host, address.port)
        silent = [socket.create_connection(place, 20) for _ in range(MOST_CONNECTIONS)]
        for one in silent:
            assert one.recv(1) == b"", "given up"
            one.close()
        return answer_to(b"GET /metrics HTTP/1.1\r\n\r\n")(address)

    assert b"200 OK" in on_a_loop(Scraped(page, patience=0.2), crowd)
