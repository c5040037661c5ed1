"""The matrix of languages and scenarios: printed, and kept in docs/clients.md."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from .languages import LANGUAGES
from .runner import Verdict
from .scenario import load

DOCUMENT = Path(__file__).parents[2] / "docs" / "clients.md"

BEGIN = "<!-- matrix: python -m tests.conformance --matrix -->"
END = "<!-- end of matrix -->"

_GOOD, _BAD, _KNOWN, _NOT_RUN = "✓", "✗", "known", "-"


class Matrix:
    """Verdicts by scenario and language, in the order in which both are written."""

    def __init__(self, verdicts: Iterable[Verdict]) -> None:
        self._cells = {(one.scenario, one.language): one for one in verdicts}
        scenarios = {scenario for scenario, _ in self._cells}
        languages = {language for _, language in self._cells}
        self.scenarios = [one.name for one in load() if one.name in scenarios]
        self.languages = [name for name in LANGUAGES if name in languages]

    def rows(self) -> Iterator[list[str]]:
        yield ["scenario", *self.languages]
        for scenario in self.scenarios:
            yield [scenario, *(self._sign(scenario, one) for one in self.languages)]
        yield ["passed", *(self._count(language) for language in self.languages)]

    def text(self) -> str:
        """For a terminal."""
        rows = list(self.rows())
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(_line(row, widths) for row in rows)

    def table(self) -> str:
        """For a document."""
        head, *rows = self.rows()
        ruler = ["---", *(":-:" for _ in self.languages)]
        return "\n".join(f"| {' | '.join(row)} |" for row in (head, ruler, *rows))

    def _sign(self, scenario: str, language: str) -> str:
        found = self._cells.get((scenario, language))
        if found is None:
            return _NOT_RUN
        if not found.is_good:
            return _BAD
        return _KNOWN if found.is_known else _GOOD

    def _count(self, language: str) -> str:
        cells = [cell for (_, one), cell in self._cells.items() if one == language]
        return f"{sum(not cell.complaint for cell in cells)} of {len(cells)}"


def _line(row: list[str], widths: list[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return "  ".join(cells).rstrip()


def store(matrix: Matrix, document: Path = DOCUMENT) -> None:
    """Put the table between the marks of the document."""
    text = document.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    document.write_text(f"{before}{BEGIN}\n\n{matrix.table()}\n\n{END}{after}")
