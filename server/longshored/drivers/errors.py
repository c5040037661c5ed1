"""What an I/O error means under a policy: a pure decision."""

from dataclasses import dataclass

from ..errors import Kind, ServiceError
from ..job.model import ErrorAction, ErrorPolicy

LONGEST_BACKOFF_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """The job fails with the error."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Note the range and go on."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Once more, after so many seconds."""

    delay: float


@dataclass(frozen=True, slots=True)
class Stop:
    """Pause until the operator says resume, then once more."""


Decision = Report | Skip | Retry | Stop


def decide(policy: ErrorPolicy, error: ServiceError, tries: int) -> Decision:
    """What becomes of a request that has failed `tries` times in a row."""
    match policy.action:
        case ErrorAction.SKIP:
            return Skip()
        case ErrorAction.RETRY if tries <= policy.retry_count:
            return Retry(_backoff(policy.retry_backoff, tries))
        case ErrorAction.STOP:
            return Stop()
        case ErrorAction.ENOSPC_STOP if error.kind is Kind.NO_SPACE:
            return Stop()
        case _:
            return Report()


def _backoff(first: float, tries: int) -> float:
    # The exponent is bounded as well: it comes from a count that a user chose.
    return min(first * 2.0 ** min(tries - 1, 32), LONGEST_BACKOFF_SECONDS)
