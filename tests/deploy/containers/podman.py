"""Podman as an operator types it, with the settings that deploy/containers has."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
TOOLS = ROOT / "build" / "tools" / "bin"

IMAGE = "localhost/longshored"
BASE_IMAGE = "localhost/longshore-base"

# How long a test waits for what must come; never how long it takes.
PATIENCE = 60.0

ENVIRONMENT = {
    **os.environ,
    "CONTAINERS_CONF": str(ROOT / "deploy" / "containers" / "containers.conf"),
    "PATH": f"{TOOLS}:{os.environ['PATH']}:/usr/sbin",
}

# Without systemd podman cannot time health checks, and says so every time.
_NOISE = re.compile(r"time=.*(systemd connection|syslog).*\n|.*syslog.*\n")


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote."""

    code: int
    out: str
    err: str


def run(
    *words: str | Path,
    wanted: int | None = 0,
    environment: Mapping[str, str] | None = None,
    given: str = "",
    patience: float = PATIENCE,
) -> Done:
    """A command to its end; `wanted` is the exit code it must have, None any."""
    ended = subprocess.run(
        [str(word) for word in words],
        capture_output=True,
        text=True,
        input=given,
        env={**ENVIRONMENT, **(environment or {})},
        timeout=patience,
        check=False,
    )
    done = Done(ended.returncode, ended.stdout, _NOISE.sub("", ended.stderr))
    assert wanted is None or done.code == wanted, (words, done)
    return done


def podman(
    *words: str | Path, wanted: int | None = 0, patience: float = PATIENCE
) -> Done:
    return run("podman", *words, wanted=wanted, patience=patience)


@dataclass(frozen=True)
class Container:
    """One that was started; it stays, ended, until its name is removed."""

    name: str

    def log(self) -> list[str]:
        done = podman("logs", self.name)
        return (done.out + done.err).splitlines()

    def await_line(self, event: str) -> None:
        """Wait until the log has it; asserts that it comes before the end."""
        with self._following() as lines:
            seen = []
            for line in lines:
                seen.append(line)
                if event in line:
                    return
        raise AssertionError(f"{event} never came: {seen}")

    @contextmanager
    def _following(self) -> Iterator[Iterator[str]]:
        command = ["timeout", str(PATIENCE), "podman", "logs", "-f", self.name]
        with subprocess.Popen(
            command,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            yield iter(process.stdout)
            process.terminate()

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        return int(podman("wait", self.name).out)

    def stop(self) -> int:
        """SIGTERM, as an upgrade does; ten seconds to drain and five to spare."""
        podman("stop", "-t", "15", self.name)
        return self.wait()

    def handles(self, number: signal.Signals) -> bool:
        """Whether its first process has a handler for a signal by now."""
        pid = int(podman("inspect", "-f", "{{.State.Pid}}", self.name).out)
        status = Path(f"/proc/{pid}/status").read_text()
        (caught,) = re.findall(r"SigCgt:\t(\w+)", status)
        return bool(int(caught, 16) >> (number - 1) & 1)

    def is_running(self) -> bool:
        told = podman("inspect", "-f", "{{.State.Running}}", self.name).out
        return told.strip() == "true"

    def kill(self) -> None:
        podman("kill", "-s", "KILL", self.name)
        self.wait()

    def healthy(self) -> bool:
        return podman("healthcheck", "run", self.name, wanted=None).code == 0

    def python(self, code: str) -> str:
        """What Python in the running container prints."""
        python = "/opt/longshore/bin/python"
        return podman("exec", self.name, python, "-c", code).out.strip()

    def remove(self) -> None:
        podman("rm", "-f", "-v", "-t", "0", self.name)
