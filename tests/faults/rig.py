"""Pulls, a daemon that dies of a rule, and everything that must hold afterwards."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from longshore.v1 import job_pb2
from longshored.scheduler.failpoints import VARIABLE
from tests.faults.chains import Chain, Templates
from tests.faults.checkers import at_any_instant, when_pulled
from tests.faults.process import Daemon, Place
from tests.faults.workload import JOB_SECONDS, Ledger

# How long a step may take to be reached before it counts as never reached.
REACHED_SECONDS = 25.0

KILLED = -9


class Rig:
    """One place with chains in it, one daemon, one client's ledger."""

    def __init__(
        self, place: Path, templates: Templates, disk: Path | None = None
    ) -> None:
        self.daemon = Daemon(Place(place, disk=disk))
        self.ledger = Ledger()
        self._templates = templates
        self._copies = 0

    def chain(self, shape: str) -> Chain:
        """A new copy below the root."""
        self._copies += 1
        target = self.daemon.place.images / f"{shape}-{self._copies}"
        return self._templates.copy(shape, target)

    def want(self, shapes: Sequence[str], speed: int | None = None) -> None:
        for shape in shapes:
            self.ledger.want(self.chain(shape), speed)

    def start(self, rules: str = "") -> None:
        self.daemon.start(**{VARIABLE: rules})

    def send(self) -> bool:
        with self.daemon.client() as client:
            return self.ledger.send(client)

    def wait_running(self) -> None:
        with self.daemon.client() as client:
            for name in self.ledger.acknowledged():
                running = (job_pb2.JOB_STATE_RUNNING,)
                client.job(name).wait(JOB_SECONDS, states=running)

    def must_die(self) -> None:
        """Of its own rule; and what is on disk then is whole."""
        try:
            status = self.daemon.wait_dead(REACHED_SECONDS)
        except subprocess.TimeoutExpired:
            status = None
        assert status == KILLED, f"not killed, {status=}\n{self.daemon.tail()}"
        none(self.violations())

    def violations(self) -> list[str]:
        """Of what must hold at any instant."""
        return [
            wrong
            for one in self.ledger.asked
            for wrong in at_any_instant(one.chain, one.sources)
        ]

    def finish(self) -> list[job_pb2.Job]:
        """Let everything end in a whole daemon; the jobs come back, none lost."""
        if not self.daemon.is_alive:
            self.start()
        with self.daemon.client() as client:
            assert self.ledger.send(client)
            jobs = self.ledger.wait(client)
            none(self.ledger.lost(client))
        assert self.daemon.stop() == 0
        return jobs

    def finish_well(self) -> None:
        """The same, and every pull has succeeded in every sense."""
        jobs = self.finish()
        failed = [job for job in jobs if job.state != job_pb2.JOB_STATE_SUCCEEDED]
        none([str(job) for job in failed])
        asked = self.ledger.asked
        none([wrong for one in asked for wrong in when_pulled(one.chain, one.sources)])


def none(violations: Sequence[str]) -> None:
    """Fail with all of them."""
    if violations:
        raise AssertionError("\n".join(violations))
