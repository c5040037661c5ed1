"""Progress of a job: value -> contract."""

from longshore.v1 import job_progress_pb2

from ..job.progress import Estimate, Ledger, Phase, Progress
from . import enums, wiretime
from .wiretime import Fields

_NO_LEDGER = Ledger()
_NO_PHASE = Phase()


def progress_fields(progress: Progress) -> Fields:
    """The fields of a JobProgress."""
    known = progress.total > 0 or progress.total_is_final
    return {
        "unit": enums.UNITS[progress.unit],
        "current": progress.current,
        "total": progress.total if known else None,
        "total_is_final": progress.total_is_final,
        "phase": _phase(progress.phase),
        "rate_per_second": progress.rate,
        "eta": None if progress.estimate is None else _eta(progress.estimate),
        "elapsed": wiretime.duration_fields(progress.elapsed),
        "ledger": _ledger(progress.ledger),
        "limited_by": enums.LIMITED_BY[progress.limited_by],
        "sample_time": wiretime.timestamp_fields(progress.sample_time or None),
        "read_bytes": progress.read,
        "written_bytes": progress.written,
        "zeroed_bytes": progress.zeroed,
        "reflinked_bytes": progress.reflinked,
        "skipped_bytes": progress.skipped,
    }


def _phase(phase: Phase) -> Fields | None:
    if phase == _NO_PHASE:
        return None
    return {"name": phase.name, "index": phase.index, "count": phase.count}


def _eta(estimate: Estimate) -> Fields:
    return {
        "low": wiretime.duration_fields(estimate.low),
        "high": wiretime.duration_fields(estimate.high),
        "basis": job_progress_pb2.ETA_BASIS_RECENT_RATE,
    }


def _ledger(ledger: Ledger) -> Fields | None:
    if ledger == _NO_LEDGER:
        return None
    return {
        "queued": wiretime.duration_fields(ledger.queued),
        "hold_wait": wiretime.duration_fields(ledger.hold_wait),
        "throttled": wiretime.duration_fields(ledger.throttled),
        "reading": wiretime.duration_fields(ledger.reading),
        "writing": wiretime.duration_fields(ledger.writing),
        "flushing": wiretime.duration_fields(ledger.flushing),
        "paused": wiretime.duration_fields(ledger.paused),
    }
