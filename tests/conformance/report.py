"""A plugin of pytest: prints the matrix before the summary, from all workers' verdicts.

pytest -p tests.conformance.report
"""

import pytest

from .matrix import Matrix
from .runner import Verdict

# The property of a test that is a verdict.
VERDICT = "verdict"

_verdicts: list[Verdict] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        for name, value in report.user_properties:
            if name == VERDICT and isinstance(value, dict):
                _verdicts.append(Verdict(**value))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _verdicts:
        terminalreporter.section("conformance")
        terminalreporter.write_line(Matrix(_verdicts).text())
