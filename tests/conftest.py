"""Settings and fixtures that every test may use."""

import pytest
import structlog
from hypothesis import settings
from structlog.typing import EventDict

from tests.conformance import report as conformance
from tests.support import figures
from tests.support.figures import record_figure

__all__ = ["record_figure"]

# Two cores shared by many workers: a slow example says nothing about the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    conformance.note(report)
    figures.note(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    conformance.tell(terminalreporter)
    figures.tell(terminalreporter)


def leave_out_audit(logger: object, method: str, line: EventDict) -> EventDict:
    if line["event"] == "audit":
        raise structlog.DropEvent
    return line


# The audit heeds no level of the log, and its lines hide what a test has to say.
structlog.configure(processors=[leave_out_audit, *structlog.get_config()["processors"]])
