"""Progress of a job: value -> contract."""

from longshore.v1 import job_progress_pb2

from ..job.progress import Estimate, Ledger, Phase, Progress
from . import enums, wiretime

_NO_LEDGER = Ledger()
_NO_PHASE = Phase()


def progress_to_proto(progress: Progress) -> job_progress_pb2.JobProgress:
    known = progress.total > 0 or progress.total_is_final
    return job_progress_pb2.JobProgress(
        unit=enums.UNITS[progress.unit],
        current=progress.current,
        total=progress.total if known else None,
        total_is_final=progress.total_is_final,
        phase=_phase(progress.phase),
        rate_per_second=progress.rate,
        eta=None if progress.estimate is None else _eta(progress.estimate),
        elapsed=wiretime.duration(progress.elapsed) if progress.elapsed else None,
        ledger=_ledger(progress.ledger),
        limited_by=enums.LIMITED_BY[progress.limited_by],
        sample_time=wiretime.maybe_timestamp(progress.sample_time or None),
        read_bytes=progress.read,
        written_bytes=progress.written,
        zeroed_bytes=progress.zeroed,
        skipped_bytes=progress.skipped,
    )


def _phase(phase: Phase) -> job_progress_pb2.JobPhase | None:
    if phase == _NO_PHASE:
        return None
    return job_progress_pb2.JobPhase(
        name=phase.name, index=phase.index, count=phase.count
    )


def _eta(estimate: Estimate) -> job_progress_pb2.JobEta:
    return job_progress_pb2.JobEta(
        low=wiretime.duration(estimate.low),
        high=wiretime.duration(estimate.high),
        basis=job_progress_pb2.ETA_BASIS_RECENT_RATE,
    )


def _ledger(ledger: Ledger) -> job_progress_pb2.JobLedger | None:
    if ledger == _NO_LEDGER:
        return None
    return job_progress_pb2.JobLedger(
        queued=wiretime.duration(ledger.queued),
        hold_wait=wiretime.duration(ledger.hold_wait),
        throttled=wiretime.duration(ledger.throttled),
        reading=wiretime.duration(ledger.reading),
        writing=wiretime.duration(ledger.writing),
        flushing=wiretime.duration(ledger.flushing),
        paused=wiretime.duration(ledger.paused),
    )
