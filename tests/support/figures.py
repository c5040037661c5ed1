"""What a test has measured, told at the end of a run, from all workers."""

from collections.abc import Callable

import pytest

# The property of a test that is a line of the summary.
FIGURE = "figure"

RecordFigure = Callable[[str], None]

_figures: list[str] = []


@pytest.fixture
def record_figure(record_property: Callable[[str, object], None]) -> RecordFigure:
    """Have a line told at the end of the run, beside the name of the test."""
    return lambda line: record_property(FIGURE, line)


def note(report: pytest.TestReport) -> None:
    if report.when == "call":
        _figures.extend(
            f"{report.nodeid.rpartition('::')[2]}: {value}"
            for name, value in report.user_properties
            if name == FIGURE
        )


def tell(terminalreporter: pytest.TerminalReporter) -> None:
    if _figures:
        terminalreporter.section("figures")
        for line in sorted(_figures):
            terminalreporter.write_line(line)
