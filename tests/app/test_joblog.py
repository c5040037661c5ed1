"""The log says what became of every job."""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import structlog
from structlog.testing import capture_logs
from structlog.typing import EventDict

from longshore.v1 import job_pb2
from longshored.drivers.base import Context
from longshored.errors import Kind, ServiceError
from tests.support.calls import create, wait
from tests.support.daemon import LocalDaemon
from tests.support.drivers import Scripted, node, raising

FULL = ServiceError(Kind.NO_SPACE, "The disk is full")

Told = Callable[..., EventDict]


@pytest.fixture
def told(daemon: LocalDaemon) -> Iterator[Told]:
    """What is told of the pull of an image, once it is in a state."""
    quiet = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    with capture_logs() as lines:

        def tell(event: str, *states: job_pb2.JobState.ValueType) -> EventDict:
            with closing(daemon.connect()) as stubs:
                job = wait(stubs, create(stubs, "a").job_id, *states)
            daemon.stop_once()  # by then all that was told is written
            (line,) = (line for line in lines if line["event"] == event)
            assert (line["job"], line["kind"]) == (job.job_id, "block.pull")
            assert line["target"] == "/images/a.qcow2"
            return line

        yield tell
    structlog.configure(wrapper_class=quiet)


def test_a_job_that_succeeds_is_told_once(told: Told, driver: Scripted) -> None:
    driver.script("a")
    line = told("job_ended")
    assert (line["log_level"], line["state"]) == ("info", "SUCCEEDED")


def test_a_job_that_fails_is_told_with_its_reason(told: Told, driver: Scripted) -> None:
    driver.script("a", run=raising(FULL))
    line = told("job_failed")
    assert line["log_level"] == "warning"
    assert (line["reason"], line["message"]) == ("NO_SPACE", "The disk is full")


def test_a_job_that_an_error_stops_is_told(told: Told, driver: Scripted) -> None:
    def run(context: Context) -> None:
        context.stop_for(FULL, node("a").key)
        context.checkpoint()

    driver.script("a", run=run)
    line = told("job_stopped", job_pb2.JOB_STATE_PAUSED)
    assert (line["log_level"], line["message"]) == ("warning", "The disk is full")
