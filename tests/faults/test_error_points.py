"""An unforeseen error at every named step: jobs fail, nobody hangs, nothing breaks."""

import pytest

from longshored.app.backend import FAIL_POINTS
from tests.faults.rig import Rig, none
from tests.faults.test_kill_points import AT_START, AT_STOP, CANCELS, PAUSES, SHAPES

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

# An error there is the answer of the call, and makes no job.
BEFORE_A_JOB = {"job.creating"}

STEPS = set(FAIL_POINTS) - (PAUSES | CANCELS | AT_START | AT_STOP | BEFORE_A_JOB)


@pytest.mark.parametrize("step", sorted(STEPS))
def test_an_error_at_any_step_ends_the_job_and_leaves_a_valid_chain(
    rig: Rig, step: str
) -> None:
    rig.want(SHAPES[:1])
    rig.start(f"{step}=error:EIO@1")
    assert rig.send()
    rig.finish()
    none(rig.violations())
    # Whatever was left behind, pulling again puts it right.
    for one in list(rig.ledger.asked):
        rig.ledger.want(one.chain)
    rig.finish()
    none(rig.violations())
