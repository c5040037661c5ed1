"""Creating jobs: checked as a whole before anything is stored, and only once each.

What a file says is found before the transaction, what other jobs hold in it. An
earlier answer to the same request wins over both: its job may be what is in the
way now.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..clock import Clock
from ..drivers.base import Driver
from ..errors import Kind, ServiceError, field_invalid, in_field
from ..job import life
from ..job.model import Group, Job
from ..job.replace import replace
from ..job.states import State
from ..store.transaction import Transaction
from .decide import Body, Decisions
from .holds import END_OF_LINE, Blocker, Holds
from .ids import RandomBytes, check_job_id, uuid7
from .newjob import (
    MAX_MEMBERS,
    Caller,
    Created,
    NewGroup,
    NewJob,
    OnConflict,
    check,
    check_rate,
    invalid,
)
from .pick import is_foreign
from .reports import foreign
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Request:
    """By what a repeated call is known, and its trace. An empty id: it is not."""

    caller: Caller
    request_id: str
    body: str
    traceparent: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that may be made: its draft, or why its files forbid it.

    `field` is where the request has it; "" if the request is about it alone.
    """

    new: NewJob
    draft: Job
    error: ServiceError | None = None
    field: str = ""


def one_answer(created: Created, tx: Transaction) -> Created:
    """The job as its commit leaves it: started, or with the reason why it waits."""
    return replace(created, job=tx.as_left(created.job))


def group_answer(
    made: tuple[list[Job], bool], tx: Transaction
) -> tuple[list[Job], bool]:
    jobs, replayed = made
    return [tx.as_left(job) for job in jobs], replayed


def predecessors_of(tx: Transaction, new: NewJob) -> list[int]:
    """The jobs that it comes after: each there, and not ended in vain."""
    numbers = []
    for index, job_id in enumerate(new.after):
        field = f"after[{index}]"
        with in_field(field):
            job = tx.get(job_id)
        if job.is_final and job.state is not State.SUCCEEDED:
            raise field_invalid(
                field,
                f"Job {job_id} has ended {job.state.value}; only one that succeeds "
                "lets others start",
                job_id=job_id,
                state=job.state.value,
            )
        numbers.append(job.number)
    return numbers


class Admission:
    """Makes bodies for the journal; nothing here changes anything by itself."""

    def __init__(
        self,
        decisions: Decisions,
        driver_of: Callable[[str], Driver],
        settings: Settings,
        clock: Clock,
        random: RandomBytes,
    ) -> None:
        # Settings.
        self.max_jobs = settings.max_jobs
        self.max_jobs_per_owner = settings.max_jobs_per_owner
        # Set once.
        self._decisions = decisions
        self._queue = decisions.queue
        self._driver_of = driver_of
        self._host = settings.host
        self._clock = clock
        self._random = random

    def one(
        self, new: NewJob, request: Request, *, validate_only: bool
    ) -> Body[Created]:
        """Create a job, or only say what it would be."""
        check(new)
        candidate = self._candidate(new, request, None)

        def decide(tx: Transaction) -> Created:
            if not validate_only:
                known = self._replayed(tx, request)
                if known is not None:
                    return Created(known[0], replayed=True)
            existing = self._check(tx, candidate)
            if existing is not None:
                if not validate_only:
                    _remember(tx, request, [existing])
                return Created(existing, existing=True)
            self._check_room(1, request.caller)
            if new.job_id:
                tx.check_new_id(new.job_id)
            if validate_only:
                return Created(life.create(candidate.draft, tx.now))
            return Created(self._add(tx, [candidate], request)[0])

        return decide

    def group(
        self,
        group: NewGroup,
        members: Sequence[NewJob],
        request: Request,
        *,
        validate_only: bool,
    ) -> Body[tuple[list[Job], bool]]:
        """Create all members or none; the flag says that it was done before."""
        _check_group(group, members)
        made = Group(group.group_id or self._uid(), group.rate)
        candidates = [
            replace(self._candidate(new, request, made), field=_member(index))
            for index, new in enumerate(members)
        ]

        def decide(tx: Transaction) -> tuple[list[Job], bool]:
            if not validate_only:
                known = self._replayed(tx, request)
                if known is not None:
                    return known, True
            if group.group_id:
                _check_new_group(tx, group.group_id)
            for candidate in candidates:
                with in_field(candidate.field):
                    self._check(tx, candidate)
                    if candidate.new.job_id:
                        tx.check_new_id(candidate.new.job_id)
            _check_among(candidates)
            self._check_room(len(candidates), request.caller)
            if validate_only:
                drafts = [life.create(c.draft, tx.now) for c in candidates]
                return drafts, False
            return self._add(tx, candidates, request), False

        return decide

    # Before the transaction.

    def _candidate(
        self, new: NewJob, request: Request, group: Group | None
    ) -> Candidate:
        uid = self._uid()
        draft = Job(
            number=0,
            uid=uid,
            job_id=new.job_id or uid,
            kind=new.kind,
            spec=new.spec,
            create_time=self._clock.wall(),
            owner=request.caller.name,
            host=self._host,
            options=new.options,
            labels=dict(new.labels),
            after=new.after,
            group=group,
            on_conflict_queue=new.on_conflict is OnConflict.QUEUE,
            traceparent=request.traceparent,
        )
        try:
            nodes = self._driver_of(new.kind).nodes(new.spec)
        except ServiceError as error:
            if error.kind is Kind.TARGET_BUSY and draft.on_conflict_queue:
                unseen = replace(draft, pending=foreign(error), is_unseen=True)
                return Candidate(new, unseen)
            return Candidate(new, draft, error)
        return Candidate(new, replace(draft, nodes=nodes))

    def _uid(self) -> str:
        return uuid7(self._clock.wall(), self._random)

    # In the transaction.

    def _replayed(self, tx: Transaction, request: Request) -> list[Job] | None:
        if not request.request_id:
            return None
        known = tx.replayed(request.caller.name, request.request_id)
        if known is None:
            return None
        if known.body != request.body:
            raise ServiceError(
                Kind.REQUEST_ID_REUSED,
                "This request id was used before, for another request",
                request_id=request.request_id,
                job_id=known.job_ids[0],
            )
        return [tx.get(job_id) for job_id in known.job_ids]

    def _check(self, tx: Transaction, candidate: Candidate) -> Job | None:
        """Raise what forbids the job; the job that it would repeat, if that will do."""
        if candidate.error is not None:
            raise candidate.error
        predecessors = predecessors_of(tx, candidate.new)
        if candidate.draft.on_conflict_queue:
            return None
        first: Blocker | None = None
        refusers = self._queue.holds.refusers(candidate.draft.nodes, predecessors)
        for blocker in refusers:
            other = tx.by_number(blocker.number)
            if self._queue.holds_nodes(other.number) and _repeats(candidate.new, other):
                return other
            first = first or blocker
        if first is not None:
            raise self._busy(first, tx.by_number(first.number))
        return None

    def _busy(self, blocker: Blocker, other: Job) -> ServiceError:
        uri = blocker.clash.wanted.uri
        how = "in use" if self._queue.holds_nodes(other.number) else "awaited"
        return ServiceError(
            Kind.TARGET_BUSY,
            f"{uri} is {how} by job {other.job_id} ({other.state.value})",
            target=uri,
            blocking_job_id=other.job_id,
            permission=_names(blocker),
        )

    def _check_room(self, more: int, caller: Caller) -> None:
        there, limit = len(self._queue), self.max_jobs
        if there + more > limit:
            raise _full(f"There are {there}", limit, "unfinished_job_count")
        own, limit = self._queue.count_of(caller.name), self.max_jobs_per_owner
        if limit and own + more > limit:
            name = "caller_unfinished_job_count"
            raise _full(f"{caller.name} has {own}", limit, name)

    def _add(
        self, tx: Transaction, candidates: Sequence[Candidate], request: Request
    ) -> list[Job]:
        jobs = []
        for one in candidates:
            with in_field(one.field):
                draft = life.create(self._waiting(one.draft), tx.now)
                jobs.append(self._decisions.add(tx, draft))
        for job in jobs:
            if is_foreign(job.pending):
                self._queue.defer(job.number, tx.now)
        _remember(tx, request, jobs)
        return jobs

    def _waiting(self, draft: Job) -> Job:
        """With all workers busy it waits for one: said at once, it is not a change."""
        options = draft.options
        starts_later = options.earliest_start_time or options.windows or draft.after
        if starts_later or draft.pending is not None:
            return draft
        return replace(draft, pending=self._queue.no_worker(draft))


def _remember(tx: Transaction, request: Request, jobs: Sequence[Job]) -> None:
    if request.request_id:
        job_ids = [job.job_id for job in jobs]
        tx.remember(request.caller.name, request.request_id, request.body, job_ids)


def _full(there_are: str, limit: int, name: str) -> ServiceError:
    return ServiceError(
        Kind.JOB_LIMIT,
        f"{there_are} jobs that have not ended, and no more than {limit} may be",
        limit=limit,
        limit_name=name,
    )


def _member(index: int) -> str:
    """The field of the request that has a member of the group."""
    return f"members[{index}]"


def _check_group(group: NewGroup, members: Sequence[NewJob]) -> None:
    if group.group_id:
        check_job_id(group.group_id, "group_id")
    if violations := tuple(check_rate(group.rate, "options")):
        raise invalid(violations)
    if not 1 <= len(members) <= MAX_MEMBERS:
        raise field_invalid("members", f"Must be 1 to {MAX_MEMBERS} jobs")
    named: dict[str, int] = {}
    for index, new in enumerate(members):
        check(new, f"{_member(index)}.")
        if new.job_id and (first := named.setdefault(new.job_id, index)) != index:
            raise field_invalid(
                f"{_member(index)}.job_id",
                f"Must be its own: {_member(first)} has {new.job_id} too",
                job_id=new.job_id,
            )
        if new.on_conflict is OnConflict.RETURN_EXISTING:
            raise field_invalid("options.on_conflict", "A group must be new as a whole")
    if len({new.options.auto_finalize for new in members}) > 1:
        raise field_invalid(
            "options.auto_finalize", "Is the group's: the same for all members"
        )


def _check_new_group(tx: Transaction, group_id: str) -> None:
    """No job has the name. Groups are known by their jobs, so one of which all jobs
    were removed leaves its name free."""
    if tx.has_group(group_id):
        raise ServiceError(
            Kind.JOB_ID_TAKEN,
            f"There is a group {group_id} already, with jobs that were not removed",
            group_id=group_id,
        )


def _check_among(candidates: Sequence[Candidate]) -> None:
    """Members wait for each other, so one must not need what another has."""
    holds = Holds()
    for index, candidate in enumerate(candidates):
        blocker = holds.blocker(candidate.draft.nodes, END_OF_LINE)
        if blocker is not None:
            node = blocker.clash.wanted
            raise ServiceError(
                Kind.TARGET_BUSY,
                f"Members {blocker.number} and {index} of the group cannot both have "
                f"{node.uri}: they would wait for each other for ever",
                target=node.uri,
                permission=_names(blocker),
                first_field=_member(index),
            )
        holds.hold(index, candidate.draft.nodes)


def _repeats(new: NewJob, other: Job) -> bool:
    """Whether the other job will do what the new one was to do."""
    return (
        new.on_conflict is OnConflict.RETURN_EXISTING
        and other.state is not State.ABORTING
        and other.wanted.cancel is None
        and other.kind == new.kind
        and other.spec == new.spec
    )


def _names(blocker: Blocker) -> str:
    return ", ".join(str(one.name) for one in blocker.clash.permission)
