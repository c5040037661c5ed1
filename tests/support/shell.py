"""The command line as a user meets it: in this process, as a process, on a terminal."""

import contextlib
import fcntl
import io
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from longshore.cli.main import main

# How long a test waits for what must come; never how long it takes.
PATIENCE = 20.0

PROGRAM = (sys.executable, "-m", "longshore.cli")


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def run(*words: str) -> Done:
    """A command in this process; nothing is a terminal."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Done(code, out.getvalue(), err.getvalue())


def spawn(*words: str, env: Mapping[str, str] | None = None) -> Done:
    """A command as a process, with pipes."""
    done = subprocess.run(
        [*PROGRAM, *words],
        capture_output=True,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=PATIENCE,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def without(library: str, directory: Path) -> dict[str, str]:
    """An environment in which a library is not installed."""
    hidden = f"raise ModuleNotFoundError({library!r}, name={library!r})\n"
    (directory / f"{library}.py").write_text(hidden)
    return {"PYTHONPATH": str(directory)}


class Terminal:
    """A command on a terminal of its own: it may be typed to and is read."""

    def __init__(
        self,
        *words: str,
        columns: int = 80,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.text = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        # A session of its own whose terminal this is: so Ctrl-C is a signal to it.
        self._process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *PROGRAM, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", **(env or {})},
            cwd=cwd,
        )
        os.close(slave)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    def ctrl_c(self) -> None:
        os.write(self._master, b"\x03")

    def read_until(self, is_there: Callable[[str], bool]) -> str:
        """Read on until the text says so."""
        deadline = time.monotonic() + PATIENCE
        while not is_there(self.text):
            assert self._read(deadline), f"the end came first:\n{self.text}"
        return self.text

    def sees(self, words: str) -> str:
        return self.read_until(lambda text: words in text)

    def end(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        return self._process.wait(PATIENCE)

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], deadline - time.monotonic())
        assert ready, f"nothing more came:\n{self.text}"
        try:
            data = os.read(self._master, 65536)
        except OSError:
            # Linux says EIO when the last writer of a terminal is gone.
            return False
        self.text += data.decode()
        return bool(data)
