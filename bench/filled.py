"""A store as it is after a million jobs, made in seconds by the store's own code.

Records, and the bytes in which jobs are shown, are cut from templates instead of
made one by one; the first of them are compared with what the daemon's own code makes,
so that what is measured is what a daemon would have written.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from longshore.v1 import job_pb2
from longshored.clock import SECOND, Instant, SystemClock
from longshored.job.model import Holder, Job, Options, Pause, Transition, Worker
from longshored.job.nodes import Node, Permission, Role
from longshored.job.progress import Progress
from longshored.job.spec import ImageRef, PullResult, PullSpec
from longshored.job.states import FINAL, State, Verb
from longshored.service import shown
from longshored.service.jobwire import JobWire
from longshored.store.change import Change, ChangeKind
from longshored.store.commit import commit
from longshored.store.database import open_database
from longshored.store.query import facets_of
from longshored.store.record import decode, encode
from longshored.store.transaction import Batch

TENANTS = 100
_BATCH = 20_000
# The log of events keeps at least so many.
_EVENTS = 10_000
_DAY = 24 * 3600 * SECOND
_OUTCOMES = (State.SUCCEEDED,) * 8 + (State.FAILED, State.CANCELLED)
_WIRE = JobWire({"block.pull": frozenset(Verb)})


def fill(directory: Path, *, finished: int, unfinished: int) -> None:
    """So many jobs, the unfinished ones newest: paused, waiting, four at work."""
    database = open_database(directory)
    writer = database.writer
    writer.execute("PRAGMA synchronous = OFF")
    now = SystemClock().wall()
    try:
        host = database.meta.host
        templates = {state: _template(_finished(state, now, host)) for state in FINAL}
        jobs = _jobs(now, host, templates, finished, unfinished)

        def show(job: Job) -> bytes:
            return (
                _cut_shown(templates[job.state], job)
                if job.is_final
                else _WIRE.show(job)
            )

        first_event = finished + unfinished - _EVENTS
        while batch := _batch(jobs, now, first_event):
            commit(writer, batch, now, lambda _: None, show)
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        database.close()


def _batch(jobs: Iterator[tuple[Job, str]], now: Instant, after: int) -> Batch | None:
    batch = Batch()
    facets: dict[str, frozenset[str]] = {}
    for job, record in jobs:
        tenant, number = job.labels["tenant"], job.number
        if tenant not in facets:
            facets[tenant] = facets_of(job)
        batch.before[number], batch.after[number] = None, job
        batch.records[number], batch.facets[number] = record, facets[tenant]
        batch.added[job.job_id] = number
        if number > after:
            change = Change(number, ChangeKind.CREATED, job, None, now)
            batch.changes.append((change, record))
        if len(batch.after) == _BATCH:
            break
    return batch if batch.after else None


def _jobs(
    now: Instant,
    host: str,
    templates: dict[State, "Template"],
    finished: int,
    unfinished: int,
) -> Iterator[tuple[Job, str]]:
    for number in range(1, finished + 1):
        state = _OUTCOMES[number % len(_OUTCOMES)]
        yield _cut(templates[state], number)
    for index in range(unfinished):
        job = _numbered(_unfinished(index, now, host), finished + index + 1)
        yield job, encode(job)


def _numbered(job: Job, number: int) -> Job:
    name = f"{number:032x}"
    return replace(
        job,
        number=number,
        uid=name,
        job_id=name,
        labels={"tenant": f"t{number // 10 % TENANTS:04}"},
        revision=number,
        create_revision=number,
    )


# What stands in a template where the job's own number, name and tenant go.
_NUMBER, _NAME, _TENANT = 777_777_777, "e" * 32, "t7777"


@dataclass(frozen=True, slots=True)
class Template:
    """A job, and the bodies of its record and of what is shown of it with marks at
    the places that differ."""

    job: Job
    record: str
    shown: bytes


def _template(job: Job) -> Template:
    marked = replace(
        job,
        number=_NUMBER,
        uid=_NAME,
        job_id=_NAME,
        labels={"tenant": _TENANT},
        revision=_NUMBER,
        create_revision=_NUMBER,
    )
    return Template(job, encode(marked).split(" ", 2)[2], _WIRE.fresh(marked))


def _cut(template: Template, number: int) -> tuple[Job, str]:
    numbered = _numbered(template.job, number)
    tenant = numbered.labels["tenant"]
    text = template.record.replace(str(_NUMBER), str(number))
    text = text.replace(_NAME, numbered.job_id).replace(_TENANT, tenant)
    record = f"1 {zlib.crc32(text.encode('ascii')):08x} {text}"
    if number <= 3:
        assert decode(record) == numbered, "a template that is not what encode() makes"
    return numbered, record


def _cut_shown(template: Template, job: Job) -> bytes:
    # Number and revision stand in the outermost message, which tells no length.
    body = template.shown.replace(_varint(_NUMBER), _varint(job.number))
    body = body.replace(_NAME.encode(), job.job_id.encode())
    kept = shown.seal(body.replace(_TENANT.encode(), job.labels["tenant"].encode()))
    if job.number <= 3:
        assert kept == _WIRE.show(job), "a template that is not what show() makes"
    return kept


def _varint(number: int) -> bytes:
    """As protobuf writes it, after the one byte of the tag."""
    return job_pb2.Job(number=number).SerializeToString()[1:]


def _node(name: str) -> Node:
    return Node(
        key=name,
        role=Role.TOP,
        uri=f"/images/{name}.qcow2",
        taken=Permission.CONSISTENT_READ | Permission.WRITE,
        shared=Permission.CONSISTENT_READ,
        format="qcow2",
        device="8:0",
    )


def _born(now: Instant, host: str, name: str) -> Job:
    return Job(
        number=0,
        uid="",
        job_id="",
        kind="block.pull",
        spec=PullSpec(ImageRef(f"/images/{name}.qcow2", "qcow2")),
        create_time=now,
        owner="unix",
        host=host,
        nodes=(_node(name),),
        history=(Transition(State.QUEUED, now, "created", "unix"),),
    )


def _finished(state: State, now: Instant, host: str) -> Job:
    job = _born(now, host, "disk")
    steps = (State.RUNNING, State.PENDING, state)
    history = (*job.history, *(Transition(s, now, "done", "longshored") for s in steps))
    return replace(
        job,
        state=state,
        history=history,
        progress=Progress(),
        result=PullResult(1 << 30, 1 << 20, 0) if state is State.SUCCEEDED else None,
        start_time=now,
        end_time=now,
        expire_time=now + 7 * _DAY,
        attempts=1,
    )


def _unfinished(index: int, now: Instant, host: str) -> Job:
    job = _born(now, host, f"disk{index}")
    if index < 4:
        history = (*job.history, Transition(State.RUNNING, now, "started", "x"))
        worker = Worker("job", 1, 1)
        return replace(
            job,
            state=State.RUNNING,
            history=history,
            worker=worker,
            attempts=1,
            start_time=now,
        )
    if index % 2:
        return replace(job, options=Options(earliest_start_time=now + 365 * _DAY))
    return replace(job, pauses=(Pause(Holder.USER, "held", now, "unix"),))
