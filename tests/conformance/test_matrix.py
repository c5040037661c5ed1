"""The matrix of languages and scenarios."""

from pathlib import Path

from .matrix import BEGIN, END, Matrix, store
from .runner import Verdict


def verdict(language: str, complaint: str = "", *, is_known: bool = False) -> Verdict:
    return Verdict(language, "hello", complaint, is_known, 0.1)


def test_a_failure_that_is_known_is_good_and_no_pass() -> None:
    known = verdict("go", "it fails", is_known=True)
    assert known.is_good
    assert list(Matrix([known]).rows())[1:] == [
        ["hello", "known"],
        ["passed", "0 of 1"],
    ]


def test_what_is_known_to_fail_and_passes_is_bad() -> None:
    surprise = verdict("go", is_known=True)
    assert not surprise.is_good
    assert list(Matrix([surprise]).rows())[1] == ["hello", "✗"]


def test_languages_stand_in_the_order_of_the_list() -> None:
    matrix = Matrix([verdict("rust"), verdict("python"), verdict("go", "it fails")])
    assert list(matrix.rows()) == [
        ["scenario", "python", "go", "rust"],
        ["hello", "✓", "✗", "✓"],
        ["passed", "1 of 1", "0 of 1", "1 of 1"],
    ]


def test_the_table_is_kept_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "clients.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        store(Matrix([verdict("go")]), document)
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n\n| scenario | go |\n| --- | :-: |\n")
    assert text.endswith(f"| passed | 1 of 1 |\n\n{END}\nafter\n")
    assert "old" not in text
