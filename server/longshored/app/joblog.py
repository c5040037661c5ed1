"""What becomes of jobs, a line of the log each: its end, and a stop by error policy.

The audit tells what was asked for; this tells what came of it.
"""

from collections.abc import Sequence

import structlog

from ..clock import SECOND
from ..job.model import Holder, Job
from ..job.states import State
from ..store.change import Change, ChangeKind

_log = structlog.get_logger(__name__)


def note(changes: Sequence[Change]) -> None:
    """On the journal's thread, in order; loggers do not wait."""
    for change in changes:
        job = change.job
        if change.kind is not ChangeKind.UPDATED or job.state is change.previous:
            continue
        if job.is_final:
            _ended(job)
        elif job.state is State.PAUSED:
            _paused(job)


def _ended(job: Job) -> None:
    facts, ran = _facts(job), _ran(job)
    if job.state is not State.FAILED:
        _log.info("job_ended", **facts, state=job.state.value, ran_s=ran)
        return
    assert job.failure is not None, "a failed job says why"
    reason, message = job.failure.kind.value, job.failure.message
    _log.warning("job_failed", **facts, reason=reason, message=message, ran_s=ran)


def _paused(job: Job) -> None:
    for pause in job.pauses:
        if pause.holder is Holder.ERROR_POLICY:
            _log.warning("job_stopped", **_facts(job), message=pause.reason)


def _facts(job: Job) -> dict[str, str]:
    target = job.nodes[0].uri if job.nodes else ""
    return {"job": job.job_id, "kind": job.kind, "target": target}


def _ran(job: Job) -> float:
    """Seconds since the first start; 0 for one that never began."""
    if job.start_time is None or job.end_time is None:
        return 0.0
    return round((job.end_time - job.start_time) / SECOND, 3)
