"""Settings and fixtures that every test may use."""

import structlog
from hypothesis import settings
from structlog.typing import EventDict

from tests.conformance.report import (
    pytest_runtest_logreport,
    pytest_terminal_summary,
)

__all__ = ["pytest_runtest_logreport", "pytest_terminal_summary"]

# Two cores shared by many workers: a slow example says nothing about the code.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


def leave_out_audit(logger: object, method: str, line: EventDict) -> EventDict:
    if line["event"] == "audit":
        raise structlog.DropEvent
    return line


# The audit heeds no level of the log, and its lines hide what a test has to say.
structlog.configure(processors=[leave_out_audit, *structlog.get_config()["processors"]])
