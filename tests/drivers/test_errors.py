"""What becomes of an error under each policy."""

import pytest

from longshored.drivers.errors import (
    LONGEST_BACKOFF_SECONDS,
    Report,
    Retry,
    Skip,
    Stop,
    decide,
)
from longshored.errors import Kind, ServiceError
from longshored.job.model import ErrorAction, ErrorPolicy

FULL = ServiceError(Kind.NO_SPACE, "Full")
BROKEN = ServiceError(Kind.IO_ERROR, "Broken")


@pytest.mark.parametrize(
    ("action", "error", "decision"),
    [
        (ErrorAction.REPORT, BROKEN, Report()),
        (ErrorAction.REPORT, FULL, Report()),
        (ErrorAction.SKIP, BROKEN, Skip()),
        (ErrorAction.STOP, BROKEN, Stop()),
        (ErrorAction.STOP, FULL, Stop()),
        (ErrorAction.ENOSPC_STOP, FULL, Stop()),
        (ErrorAction.ENOSPC_STOP, BROKEN, Report()),
    ],
)
def test_an_action_means_one_thing(
    action: ErrorAction, error: ServiceError, decision: object
) -> None:
    assert decide(ErrorPolicy(action), error, 1) == decision


def test_retries_wait_twice_as_long_each_time_and_end() -> None:
    policy = ErrorPolicy(ErrorAction.RETRY, 3, 0.5)
    decisions = [decide(policy, BROKEN, tries) for tries in (1, 2, 3, 4)]
    assert decisions == [Retry(0.5), Retry(1.0), Retry(2.0), Report()]


def test_no_wait_is_longer_than_a_minute() -> None:
    policy = ErrorPolicy(ErrorAction.RETRY, 1 << 40, 1.0)
    assert decide(policy, BROKEN, 1 << 39) == Retry(LONGEST_BACKOFF_SECONDS)
