"""A host with a daemon in a container: its volumes, and clients beside it."""

import json
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.deploy.containers.podman import IMAGE, Container, Done, podman, run

# As tight as it goes. No shell: what the image runs must do without.
HARDENED = (
    "--read-only",
    "--read-only-tmpfs=false",
    *("--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges"),
    *("-v", "/dev/null:/usr/bin/dash:ro"),
    *("-v", "/dev/null:/usr/bin/bash:ro"),
)

MIB = 1 << 20
STORED = 24 * MIB

# Slow enough to be met at work, whatever the machine.
SLOW = "1MiB"


@dataclass
class Harbour:
    """Directories of the host that its containers mount, all owned by one user."""

    directory: Path
    user: str = "10001:0"
    started: list[Container] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return self._made("state")

    @property
    def images(self) -> Path:
        return self._made("images")

    @property
    def sockets(self) -> Path:
        return self._made("run")

    @property
    def store(self) -> Path:
        return self.state / "state" / "jobs.sqlite"

    def _made(self, name: str) -> Path:
        path = self.directory / name
        if not path.exists():
            path.mkdir(mode=0o770)
            self.own(path)
        return path

    def own(self, path: Path) -> None:
        user, group = map(int, self.user.split(":"))
        os.chown(path, user, group)

    def volumes(self) -> tuple[str, ...]:
        return (
            *("-v", f"{self.state}:/var/lib/longshore"),
            *("-v", f"{self.images}:/srv/images"),
            *("-v", f"{self.sockets}:/run/longshore"),
        )

    def begin(self, *options: str, volumes: tuple[str, ...] | None = None) -> Container:
        """A container of the daemon, whatever becomes of it."""
        container = Container(f"longshore-{uuid.uuid4().hex[:12]}")
        self.started.append(container)
        podman(
            *("run", "-d", "--name", container.name, "--user", self.user),
            *HARDENED,
            *(self.volumes() if volumes is None else volumes),
            *options,
            IMAGE,
        )
        return container

    def serve(self, *options: str) -> Container:
        container = self.begin(*options)
        container.await_line('"ready"')
        return container

    def refused(
        self, *options: str, volumes: tuple[str, ...] | None = None
    ) -> tuple[int, str]:
        """Exit code and first line of a daemon that cannot start."""
        container = self.begin(*options, volumes=volumes)
        return container.wait(), container.log()[0]

    def longshore(self, *words: str, wanted: int | None = 0) -> Done:
        """A command in a container of its own, which has the socket and nothing
        else: no image, no state, no network."""
        return podman(
            *("run", "--rm", "--user", self.user, "--network", "none"),
            *HARDENED,
            *("-v", f"{self.sockets}:/run/longshore"),
            *("--entrypoint", "longshore", IMAGE),
            *words,
            wanted=wanted,
        )

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.longshore("get", job_id, "-o", "json").out
        )
        return found

    def overlay(self) -> None:
        """top.qcow2 over base.raw, and a copy of what it must read like."""
        data = os.urandom(STORED)
        for name in ("base.raw", "wanted.raw"):
            path = self.images / name
            path.write_bytes(data)
            self.own(path)
        self.longshore(
            *("create-image", "/srv/images/top.qcow2"),
            *("--backing", "/srv/images/base.raw", "--backing-format", "raw"),
        )

    def pull(self, *options: str) -> str:
        """Begin a job; its id."""
        return self.longshore(
            "pull", "/srv/images/top.qcow2", "-q", *options
        ).out.strip()

    def pull_slowly(self) -> str:
        """A job that is at work."""
        self.overlay()
        job_id = self.pull("--rate", SLOW)
        assert self.job(job_id)["worker"]["attempt"] == 1
        return job_id

    def finish(self, job_id: str) -> None:
        """Let a slow job that was taken up again end, and see that it succeeded."""
        assert self.job(job_id)["worker"]["attempt"] == 2
        self.longshore("set", job_id, "rate=none")
        self.longshore("wait", job_id, "-q")
        self.assert_pulled()

    def assert_pulled(self) -> None:
        """The overlay reads as it must, and by itself."""
        (self.images / "base.raw").unlink()
        wanted = self.images / "wanted.raw"
        top = self.images / "top.qcow2"
        run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", wanted, top)

    def close(self) -> None:
        for container in self.started:
            container.remove()
