"""Watches over a line that is cut, of a daemon that is killed: once and in order."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from longshore import Client
from longshore.requests import Submit, pull_info
from longshore.steps import request_id
from longshore.v1 import job_options_pb2, job_service_pb2
from tests.faults import ground
from tests.faults.chains import Templates
from tests.faults.process import Daemon, serving
from tests.faults.proxy import proxy
from tests.faults.witness import Witness, differs
from tests.faults.workload import SILENCE

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

WITNESSES = 4
KILLS = 6
# In each life of the daemon at least so many lines are cut and jobs live through.
CUTS_PER_LIFE = 20
JOBS_PER_LIFE = 20
LAG_SECONDS = 20.0


class Author:
    """Makes history as long as it lasts: jobs that are made, changed and dropped."""

    def __init__(self, daemon: Daemon, top: Path, seed: int) -> None:
        self._daemon = daemon
        self._top = top
        self._dice = random.Random(seed)
        self.jobs = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _write(self) -> None:
        with self._daemon.client() as client:
            while not self._stop.is_set():
                try:
                    self._life_of_a_job(client)
                    self.jobs += 1
                except grpc.RpcError as error:
                    # Killed in the middle: what was asked may have happened.
                    if error.code() not in SILENCE:
                        raise
                    self._stop.wait(0.02)

    def _life_of_a_job(self, client: Client) -> None:
        stub, later = client.stub(), job_options_pb2.JobOptions()
        later.earliest_start_time.FromSeconds(1 << 32)
        queue = job_service_pb2.ON_CONFLICT_QUEUE
        submit = Submit(options=later, request_id=request_id(), on_conflict=queue)
        request = submit.request(pull_info((self._top, "qcow2"), None, ()))
        name = stub.CreateJob(request, timeout=5).job.job_id
        for _ in range(self._dice.randrange(3)):
            stub.PauseJob(job_service_pb2.PauseJobRequest(job_id=name), timeout=5)
            stub.ResumeJob(job_service_pb2.ResumeJobRequest(job_id=name), timeout=5)
        stub.CancelJob(job_service_pb2.CancelJobRequest(job_id=name), timeout=5)
        if self._dice.random() < 0.5:
            stub.DismissJob(job_service_pb2.DismissJobRequest(job_id=name), timeout=5)


@pytest.fixture
def daemon(place: Path) -> Iterator[Daemon]:
    with serving(place) as started:
        yield started


@pytest.mark.timeout(180)
def test_every_change_is_seen_once_and_in_order_whatever_breaks(
    daemon: Daemon, templates: Templates
) -> None:
    dice = random.Random(20261120)
    chain = templates.copy("raw", daemon.place.images / "raw")
    line = daemon.place.directory / "line.sock"
    with ExitStack() as stack:
        cutter = stack.enter_context(proxy(line, daemon.place.socket))
        witnesses = [Witness(f"unix:{line}") for _ in range(WITNESSES)]
        for one in witnesses:
            one.start()
        author = Author(daemon, chain.top, seed=1)
        author.start()
        for life in range(1, KILLS + 1):
            while (
                cutter.cuts < life * CUTS_PER_LIFE or author.jobs < life * JOBS_PER_LIFE
            ):
                threading.Event().wait(dice.uniform(0.01, 0.12))
                cutter.cut(dice)
            daemon.kill()
            daemon.start()
        author.stop()
        daemon.kill()
        truth = ground.events(daemon.place.state)
        daemon.start()
        caught_up = [one.wait_for(truth[-1][0], LAG_SECONDS) for one in witnesses]
        for one in witnesses:
            one.stop()
    assert len(truth) >= 2 * KILLS * JOBS_PER_LIFE
    assert [differs(one.seen, truth) for one in witnesses] == [[]] * WITNESSES
    assert all(caught_up)
