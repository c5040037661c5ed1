"""Commands of the daemon's program whose output nobody takes."""

import os
import subprocess
import sys

import pytest

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
