"""What users ask of a job that is there: each verb as a body for the journal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..drivers.base import Driver
from ..errors import Kind, ServiceError
from ..job import life
from ..job.model import Ask, CompletionMode, Job, Options, RateLimit
from ..job.replace import replace
from ..job.states import Verb
from ..store.transaction import Transaction
from .decide import Body, Decisions
from .newjob import Caller, check_options, check_rate, invalid


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants what of which job. `expected_revision` 0 or None: any."""

    verb: Verb
    job_id: str
    caller: Caller
    expected_revision: int | None = None
    comment: str = ""
    mode: CompletionMode = CompletionMode.SWITCH


def applied(
    asked: Asked, drivers: Mapping[str, Driver], decisions: Decisions
) -> Body[Job]:
    def decide(tx: Transaction) -> Job:
        job = _found(tx, asked.job_id, asked.expected_revision)
        # A kind that is not served any more leaves jobs behind to be dismissed.
        if (driver := drivers.get(job.kind)) is not None:
            _check_known(asked.verb, driver)
        if asked.verb is Verb.DISMISS:
            life.check_dismiss(job)
            tx.remove(job)
            return job
        changed = _changed(job, asked, Ask(asked.caller.name, tx.now, asked.comment))
        return job if changed is job else decisions.put(tx, changed)

    return decide


def updated(
    asked: Asked, change: Callable[[Options], Options], decisions: Decisions
) -> Body[Job]:
    def decide(tx: Transaction) -> Job:
        job = _found(tx, asked.job_id, asked.expected_revision)
        options = change(job.options)
        if violations := tuple(check_options(options)):
            raise invalid(violations)
        changed = life.update(job, options)
        return job if changed is job else decisions.put(tx, changed)

    return decide


def group_updated(
    group_id: str, change: Callable[[RateLimit], RateLimit], decisions: Decisions
) -> Body[list[Job]]:
    """Every member carries the same limit, so all of them get a revision."""

    def decide(tx: Transaction) -> list[Job]:
        numbers = decisions.queue.group(group_id)
        group = tx.by_number(numbers[0]).group if numbers else None
        if group is None:
            raise ServiceError(
                Kind.TARGET_NOT_FOUND,
                f"There is no job of a group {group_id} that has not ended",
                target_type="longshore.v1.JobGroup",
                target=group_id,
            )
        rate = change(group.rate)
        if violations := tuple(check_rate(rate, "rate_limit")):
            raise invalid(violations)
        limited = replace(group, rate=rate)
        for number in numbers:
            decisions.put(tx, replace(tx.by_number(number), group=limited))
        return [tx.by_number(number) for number in numbers]

    return decide


def _found(tx: Transaction, job_id: str, expected_revision: int | None) -> Job:
    job = tx.get(job_id)
    if expected_revision and job.revision != expected_revision:
        raise ServiceError(
            Kind.REVISION_MISMATCH,
            f"Job {job_id} has changed since revision {expected_revision}",
            job_id=job_id,
            expected=expected_revision,
            actual=job.revision,
        )
    return job


def _check_known(verb: Verb, driver: Driver) -> None:
    if verb not in driver.verbs:
        raise ServiceError(
            Kind.ACTION_UNSUPPORTED,
            f"Jobs of kind {driver.kind} cannot be {_DONE[verb]}, whatever their state",
            job_type=driver.kind,
            action=verb.value,
        )


_DONE = {
    Verb.PAUSE: "paused",
    Verb.RESUME: "resumed",
    Verb.CANCEL: "cancelled",
    Verb.COMPLETE: "completed",
    Verb.FINALIZE: "finalized",
    Verb.DISMISS: "dismissed",
    Verb.UPDATE: "updated",
}


def _changed(job: Job, asked: Asked, ask: Ask) -> Job:
    match asked.verb:
        case Verb.PAUSE:
            return life.pause(job, ask)
        case Verb.RESUME:
            return life.resume(job, ask)
        case Verb.CANCEL:
            return life.cancel(job, ask)
        case Verb.COMPLETE:
            return life.complete(job, ask, asked.mode)
        case Verb.FINALIZE:
            return life.finalize(job, ask)
        case Verb.UPDATE | Verb.DISMISS:
            raise ValueError(f"{asked.verb.value} is not applied here")
