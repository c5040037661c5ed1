"""A driver as a process: one op in, one answer out, each with a time limit."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

Fields = dict[str, Any]

# What a user's shell may hold and a scenario has to say itself.
_OURS = "LONGSHORE_"


class DriverFailure(Exception):
    """The driver has crashed, hangs, or says what is no answer."""


class Process:
    """One driver. Answers come in the order of the ops."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment() | dict(environment),
            start_new_session=True,
        )
        self.said: list[str] = []
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._read_answers, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self._number = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, fields: Fields) -> int:
        self._number += 1
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(
                json.dumps({"id": self._number, **fields}, ensure_ascii=False) + "\n"
            )
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise DriverFailure("the driver is gone") from error
        return self._number

    def receive(self, number: int, limit: float) -> Fields:
        """The answer to the op of a number: {"ok": …} or {"error": …}."""
        try:
            line = self._answers.get(timeout=limit)
        except queue.Empty:
            raise DriverFailure(f"no answer in {limit:g} s") from None
        if line is None:
            raise DriverFailure("the driver has ended")
        answer = _parsed(line)
        if answer.get("id") != number or len(answer.keys() & {"ok", "error"}) != 1:
            raise DriverFailure(f"not an answer to op {number}: {line!r}")
        return answer

    def ask(self, fields: Fields, limit: float) -> Fields:
        return self.receive(self.send(fields), limit)

    def end(self) -> None:
        """End of input; whatever does not end by itself then is killed."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
            self._process.wait(5)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.kill()
        for reader in self._readers:
            reader.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def kill(self) -> None:
        """With everything that it has started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def tail(self) -> str:
        """The end of its stderr, for who has to find out why."""
        return "".join(f"\n    | {line}" for line in self.said[-15:])

    def _read_answers(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put(None)

    def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line.rstrip())


def _parsed(line: str) -> Fields:
    try:
        answer: Fields = json.loads(line)
    except ValueError:
        raise DriverFailure(f"not JSON: {line!r}") from None
    return answer


def clean_environment() -> dict[str, str]:
    """What a program is started with: ours, without what is set for another daemon."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(_OURS)
    }
    return {**inherited, "PYTHON": sys.executable}
