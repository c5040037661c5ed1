"""The log writer: nobody who logs ever waits."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import structlog

from longshored.app.logs import MOST_WAITING, LogWriter, set_level, set_up_logs
from longshored.config.settings import LogSettings


@contextmanager
def logging_to(stream: io.StringIO, settings: LogSettings) -> Iterator[LogWriter]:
    """Logs as the daemon sets them up; close what comes back to read them."""
    before, handlers = structlog.get_config(), logging.root.handlers[:]
    level = logging.root.level
    logging.root.handlers.clear()
    yield set_up_logs(settings, stream)
    structlog.configure(**before)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def log() -> Iterator[Callable[[], list[str]]]:
    """Sets up logs as the daemon does; called again it ends them: the events."""
    stream = io.StringIO()
    with logging_to(stream, LogSettings(format="json", level="warning")) as writer:

        def end() -> list[str]:
            writer.close()
            lines = stream.getvalue().splitlines()
            return [json.loads(line)["event"] for line in lines]

        yield end


class Stuck(io.StringIO):
    """A stream that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.go.wait(20)
        return super().write(text)


def test_lines_are_written_in_order_and_all_by_the_end() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream).start()
    for number in range(1000):
        writer.write(f"{number}\n")
    writer.close()
    assert stream.getvalue().split() == [str(number) for number in range(1000)]


def test_a_stream_that_takes_nothing_stops_nobody() -> None:
    stream = Stuck()
    writer = LogWriter(stream).start()
    writer.write("first\n")
    assert stream.reached.wait(20)
    for number in range(MOST_WAITING + 5):
        writer.write(f"{number}\n")
    stream.go.set()
    writer.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1 + MOST_WAITING + 1
    assert lines[-1] == "5 lines dropped: nobody took them"


def test_the_level_changes_for_loggers_that_are_in_use(
    log: Callable[[], list[str]],
) -> None:
    logger = structlog.get_logger("test").bind(job="a")
    logger.info("before")
    set_level("info")
    logger.info("after")
    set_level("error")
    logger.warning("late")
    assert log() == ["after"]


def test_the_libraries_speak_at_warning_or_not_at_all(
    log: Callable[[], list[str]],
) -> None:
    set_level("debug")
    logging.getLogger("grpc").info("chatter")
    logging.getLogger("grpc").warning("trouble")
    assert log() == ["trouble"]


AUDIT: dict[str, object] = {
    "rpc": "CreateJob",
    "job": "",
    "reason": None,
    "metrics": [],
    "took_ms": 0,
}


def line_of(form: str) -> str:
    stream = io.StringIO()
    with logging_to(stream, LogSettings(format=form)) as writer:
        structlog.get_logger("test").info("audit", **AUDIT)
        writer.close()
    return stream.getvalue()


def test_lines_to_read_have_no_empty_fields() -> None:
    line = line_of("console")
    assert "rpc=CreateJob" in line
    assert "took_ms=0" in line
    for name in ("job", "reason", "metrics"):
        assert f"{name}=" not in line


def test_lines_to_parse_have_every_field() -> None:
    assert json.loads(line_of("json")).items() >= AUDIT.items()
