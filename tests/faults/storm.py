"""Pulls under a daemon that is killed again and again, at random, by one seed.

    clients ask, pause, cancel, resume  ->  kill -9, or the power goes
        ->  look at every image
        ->  start again  ->  nothing acknowledged is lost  ->  and so on

At the end everything is let go, and must finish.
"""

import os
import random
import shutil
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from longshore import Client, JobHandle, WrongState
from longshore.v1 import job_pb2, job_service_pb2
from longshored.units import KiB, MiB
from tests.faults import ground
from tests.faults.chains import SHAPES, Templates
from tests.faults.checkers import at_any_instant, when_pulled
from tests.faults.rig import Rig
from tests.faults.workload import CALL_SECONDS, SILENCE, Asked, Ledger
from tests.support.filesystems import Filesystem

# Pulls that are wanted at the same time; the daemon has slots for fewer.
MOST_LIVE = 6
# A life lasts between these, seconds.
SHORTEST, LONGEST = 0.0, 0.5

SPEEDS = (None, 256 * KiB, 1 * MiB, 4 * MiB)

_VERBS: dict[str, Any] = {
    "PauseJob": job_service_pb2.PauseJobRequest,
    "ResumeJob": job_service_pb2.ResumeJobRequest,
    "FinalizeJob": job_service_pb2.FinalizeJobRequest,
    "CancelJob": job_service_pb2.CancelJobRequest,
}
_WEIGHTS = (6, 8, 4, 1)

# So many of the deaths are asked for politely; they count as no kill.
DRAINS = 0.15


@dataclass(slots=True)
class Report:
    """What happened; `violations` is what should not have."""

    seed: int
    kills: int = 0
    kills_at_work: int = 0  # kills that hit at least one running job
    drains: int = 0
    jobs: int = 0
    calls: int = 0
    succeeded: int = 0
    cancelled: int = 0
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"seed {self.seed}: {self.kills} kills, {self.kills_at_work} of them hit "
            f"running jobs; {self.drains} drains; "
            f"{self.jobs} jobs, {self.calls} verbs; "
            f"{self.succeeded} pulled, {self.cancelled} cancelled; "
            f"{len(self.violations)} violations"
        )


class Storm:
    """One seed's worth of trouble; with a file system to lose, by cuts of its power."""

    def __init__(
        self,
        place: Path,
        templates: Templates,
        seed: int,
        disk: Filesystem | None = None,
    ) -> None:
        self.report = Report(seed)
        self._disk = disk
        self._random = random.Random(seed)
        self._rig = Rig(place, templates, None if disk is None else disk.directory)
        self._live: list[Asked] = []

    @property
    def _ledger(self) -> Ledger:
        return self._rig.ledger

    def run(self, kills: int) -> Report:
        try:
            self._rig.start()
            # A kill that hits an idle daemon proves nothing: on a slow machine, where
            # jobs begin late, there are more of them.
            report = self.report
            while report.kills < kills or report.kills_at_work < kills // 2:
                self._cycle()
            self._let_go()
        finally:
            self._rig.daemon.kill()
        return self.report

    def _cycle(self) -> None:
        dice = random.Random(self._random.random())
        while len(self._live) < MOST_LIVE:
            self._want(self._rig.chain(dice.choice(sorted(SHAPES))), dice)
        if self._disk is not None:
            os.sync()  # what was there before a job is not the job's to keep
        clients = threading.Thread(target=self._trouble, args=[dice])
        clients.start()
        threading.Event().wait(self._random.uniform(SHORTEST, LONGEST))
        is_drain = self._random.random() < DRAINS
        self._end_life(is_drain)
        clients.join()
        self._look_at_rest(is_drain)
        self._rig.start()
        self._settle()

    def _end_life(self, is_drain: bool) -> None:
        if not is_drain:
            self.report.kills += 1
            self._die()
            return
        self.report.drains += 1
        if status := self._rig.daemon.stop():
            self.report.violations.append(f"a drain ended with {status}")

    def _die(self) -> None:
        if self._disk is None:
            self._rig.daemon.kill()
            return
        # Frozen first: nobody must see that the disk does not answer any more.
        self._rig.daemon.freeze()
        self._disk.cut_power()
        self._rig.daemon.kill()
        self._disk.mount_again()

    # While it lives.

    def _trouble(self, dice: random.Random) -> None:
        """Calls until the daemon is gone."""
        with self._rig.daemon.client() as client:
            if not self._ledger.send(client):
                return
            while self._bother(client, dice):
                threading.Event().wait(dice.uniform(0, 0.05))

    def _want(self, chain: Any, dice: random.Random) -> None:
        auto = dice.random() < 0.7
        wanted = self._ledger.want(chain, dice.choice(SPEEDS), auto_finalize=auto)
        self._live.append(wanted)
        self.report.jobs += 1

    def _bother(self, client: Client, dice: random.Random) -> bool:
        """One verb on one job; False if nobody answers."""
        (method,) = dice.choices(list(_VERBS), _WEIGHTS)
        job_id = dice.choice(self._live).job_id
        call = getattr(client.stub("JobService"), method)
        try:
            call(_VERBS[method](job_id=job_id), timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            if error.code() in SILENCE:
                return False
            if error.code() is not grpc.StatusCode.FAILED_PRECONDITION:
                self.report.violations.append(f"{method} {job_id}: {error}")
        self.report.calls += 1
        return True

    # While it is dead.

    def _look_at_rest(self, is_drain: bool) -> None:
        for one in self._live:
            self.report.violations += at_any_instant(one.chain, one.sources)
        states = ground.states(self._rig.daemon.place.state)
        self.report.kills_at_work += not is_drain and "RUNNING" in states.values()

    # When it lives again.

    def _settle(self) -> None:
        with self._rig.daemon.client() as client:
            if not self._ledger.send(client):
                self.report.violations.append("no answer after a restart")
            self.report.violations += self._ledger.lost(client)
            for one in list(self._live):
                self._judge(one, client.job(str(one.job_id)).get())

    def _judge(self, one: Asked, job: job_pb2.Job) -> None:
        match job.state:
            case job_pb2.JOB_STATE_SUCCEEDED:
                self.report.succeeded += 1
                self.report.violations += when_pulled(one.chain, one.sources)
                shutil.rmtree(one.chain.directory)
                self._live.remove(one)
            case job_pb2.JOB_STATE_CANCELLED:
                self.report.cancelled += 1
                self._live.remove(one)
                # Pulling again goes on from there.
                self._want(one.chain, self._random)
            case job_pb2.JOB_STATE_FAILED:
                self.report.violations.append(f"{job.job_id} failed: {job.error}")
                self._live.remove(one)
            case _:
                pass

    def _let_go(self) -> None:
        """No limit, no pause: everything must end now."""
        while self._live:
            with self._rig.daemon.client() as client:
                self._ledger.send(client)
                jobs = [client.job(str(one.job_id)) for one in self._live]
                for job in jobs:
                    release(job)
            self._settle()


def release(job: JobHandle) -> None:
    """Let a job go on to its end, and wait for that."""
    with suppress(WrongState):  # it has ended
        job.set_speed(None)
        job.resume()
    waits = (job_pb2.JOB_STATE_PENDING,)
    last = job.wait(60, states=waits, raise_on_failure=False)
    if last.state in waits:
        job.finalize()
    job.wait(60, raise_on_failure=False)
