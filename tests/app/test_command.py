"""Commands of the daemon's program: what they print, and if nobody takes it."""

import os
import subprocess
import sys

import pytest

from longshored.app.command import main
from longshored.app.explain import explained, explained_plainly
from longshored.config.settings import settings

_PATIENCE_SECONDS = 20.0


def ran(stdout: int, *words: str, buffered: bool) -> tuple[int, str]:
    """The exit code, and what was said on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "longshored", *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"},
        timeout=_PATIENCE_SECONDS,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("action", ["show", "explain"])
def test_a_reader_that_leaves_early_is_no_failure(
    action: str, *, buffered: bool
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        assert ran(writer, "config", action, buffered=buffered) == (0, "")
    finally:
        os.close(writer)


@pytest.mark.parametrize("buffered", [True, False])
def test_output_that_cannot_be_written_is_told_in_a_line(*, buffered: bool) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        code, said = ran(full, "config", "show", buffered=buffered)
    finally:
        os.close(full)
    assert code == 2
    assert said == "longshored: Cannot write on stdout: No space left on device\n"


def test_settings_are_explained_in_columns_to_who_reads() -> None:
    lines = list(explained_plainly(80))
    assert not [line for line in lines if "`" in line or "|" in line or len(line) > 80]
    (slots,) = (number for number, line in enumerate(lines) if line[:8] == "  slots ")
    assert lines[slots].split() == ["slots", "4", "on", "reload"]
    assert lines[slots + 1].strip() == "Jobs at work at once."
    keys = [line.split()[0] for line in lines if line[:2] == "  " and line[2] != " "]
    assert keys == [path.partition(".")[2] for path, _ in settings()]


def test_the_tables_of_the_manual_are_printed_for_who_asks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "explain", "--markdown"]) == 0
    assert capsys.readouterr().out == "".join(f"{line}\n" for line in explained())
    assert main(["config", "explain"]) == 0
    assert "|" not in capsys.readouterr().out


def test_a_backup_has_only_the_flags_that_matter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["backup", "--help"])
    flags = {word for word in capsys.readouterr().out.split() if word[:2] == "--"}
    assert flags == {"--help", "--config", "--state"}
