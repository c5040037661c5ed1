"""kill -9 while a group becomes visible: in the end all of it is, or nothing was."""

import pytest

from longshore.steps import request_id
from longshore.v1 import job_pb2, job_service_pb2
from tests.faults.checkers import when_pulled
from tests.faults.rig import Rig, none
from tests.faults.workload import JOB_SECONDS, pull_of

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

SHAPES = ("raw", "snapshot", "tiny")

# From the first result that is ready to the last that is told of.
STEPS = (
    "job.worked",
    "pull.prepared",
    "job.prepared",
    "group.prepared",
    "rewrite.name_written",
    "rewrite.header_written",
    "rewrite.remains_cleared",
    "pull.header_written",
    "job.committed",
    "job.cleaned",
    "group.committed",
    "job.ended",
)
ONCE = {"group.prepared", "group.committed", "job.ended"}

CASES = [(step, hit) for step in STEPS for hit in ((1,) if step in ONCE else (1, 2, 3))]


def group(rig: Rig) -> list[str]:
    chains = [rig.chain(shape) for shape in SHAPES]
    members = [job_service_pb2.JobGroupMember(info=pull_of(one)) for one in chains]
    request = job_service_pb2.CreateJobGroupRequest(
        members=members, request_id=request_id()
    )
    for chain in chains:
        rig.ledger.want(chain)
    with rig.daemon.client() as client:
        jobs = client.create_group(request)
    return [job.job_id for job in jobs]


@pytest.mark.parametrize(("step", "hit"), CASES)
def test_a_group_that_was_becoming_visible_becomes_visible_as_a_whole(
    rig: Rig, step: str, hit: int
) -> None:
    rig.start(f"{step}=kill@{hit}")
    names = group(rig)
    rig.must_die()
    rig.start()
    with rig.daemon.client() as client:
        ended = [client.job(name).wait(JOB_SECONDS) for name in names]
    assert {job.state for job in ended} == {job_pb2.JOB_STATE_SUCCEEDED}
    assert rig.daemon.stop() == 0
    for one in rig.ledger.asked:
        none(when_pulled(one.chain, one.sources))
