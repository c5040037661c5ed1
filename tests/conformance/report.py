"""The matrix at the end of a run of pytest, from the verdicts of all workers."""

from typing import Any

import pytest

# The property of a test that is a verdict.
VERDICT = "verdict"

_verdicts: list[dict[str, Any]] = []


def note(report: pytest.TestReport) -> None:
    if report.when == "call":
        for name, value in report.user_properties:
            if name == VERDICT and isinstance(value, dict):
                _verdicts.append(value)


def tell(terminalreporter: pytest.TerminalReporter) -> None:
    if not _verdicts:
        return
    # Only now: it brings the daemon along, which most runs of pytest do without.
    from .matrix import Matrix
    from .runner import Verdict

    matrix = Matrix(Verdict(**verdict) for verdict in _verdicts)
    terminalreporter.section("conformance")
    terminalreporter.write_line(matrix.text())
