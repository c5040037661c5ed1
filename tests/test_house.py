"""House rules that a machine can see: names and sizes of files."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
GENERATED = ROOT / "clients" / "python" / "longshore" / "v1"
SOURCES = [
    path
    for folder in ("server", "clients/python", "tests", "proto", "bench", "demo")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if GENERATED not in path.parents
]
NAMELESS = {"utils", "util", "misc", "common", "helpers", "manager"}

# Past this two ideas live in one file.
LONGEST = 600


def test_no_file_is_named_after_nothing() -> None:
    assert [path for path in SOURCES if path.stem in NAMELESS] == []


def test_no_file_holds_more_than_one_idea() -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_every_module_says_what_it_owns() -> None:
    # The name of a test file says it already; an empty file owns nothing.
    texts = {path: path.read_text() for path in SOURCES if path.stem[:5] != "test_"}
    silent = [path for path, text in texts.items() if text and text[:3] != '"""']
    assert silent == []
