"""A job: value -> contract. The one shape in which clients see it."""

from collections.abc import Iterator
from functools import cache, lru_cache

from google.protobuf.descriptor import Descriptor

from longshore.v1 import job_pb2, node_pb2

from ..clock import Instant
from ..job.model import (
    Ask,
    Failure,
    Group,
    Job,
    JobWarning,
    Options,
    Pause,
    Pending,
    PendingReason,
    RateLimit,
    Transition,
    Wanted,
)
from ..job.nodes import Node
from ..job.progress import Progress
from ..job.spec import Spec
from ..job.states import State, Verb
from ..remembered import Remembered, RememberedFields
from . import enums, status, wiretime
from .frames import field, number
from .translate_image import file_uri
from .translate_options import options_fields, rate_fields
from .translate_progress import progress_fields
from .translate_spec import info_fields
from .wiretime import Fields

_RESTING = frozenset({State.QUEUED, State.PAUSED, State.STANDBY})
_BUSY = frozenset({State.RUNNING, State.READY, State.ABORTING})
_UNLIMITED = RateLimit()
ALL_VERBS = frozenset(Verb)


def job_to_proto(job: Job, verbs: frozenset[Verb] = ALL_VERBS) -> job_pb2.Job:
    """The job as clients see it; `verbs` are those its kind knows."""
    return job_pb2.Job.FromString(job_to_wire(job, verbs))


def job_to_wire(job: Job, verbs: frozenset[Verb]) -> bytes:
    """The job as clients see it, serialised.

    A message is its fields, one after another: those that stay the same from change
    to change are not built anew. Of a job that has ended nothing will change.
    """
    keep = not job.is_final
    nodes = _ACTIVE_NODE if _holds(job) else _IDLE_NODE
    return b"".join(
        (
            _CONSTANT.of(job),
            _stand(job.state, verbs, _is_busy(job)),
            number(_REVISION, job.revision),
            _time(_START_TIME, job.start_time),
            _time(_END_TIME, job.end_time),
            _time(_EXPIRE_TIME, job.expire_time),
            _rest(job) if _has_rest(job) else b"",
            b"" if job.worker is None or not keep else _WORKER.of(job),
            _info(job, keep=keep),
            _OPTIONS.of(job.options),
            _PROGRESS.of(job.progress, keep=keep),
            *[nodes.of(node, keep=keep) for node in job.nodes],
            *[_STEP.of(step, keep=keep) for step in job.history],
        )
    )


def _constant(job: Job) -> bytes:
    """What was said when the job was made."""
    fields: Fields = {
        "job_id": job.job_id,
        "job_type": job.kind,
        "create_time": wiretime.timestamp_fields(job.create_time),
        "labels": job.labels,
        "uid": job.uid,
        "number": job.number,
        "owner": job.owner,
        "trace_id": job.trace_id,
        "traceparent": job.traceparent,
        "host": job.host,
        "after": job.after,
    }
    if job.group is not None:
        fields["group_id"] = job.group.group_id
        fields["group_rate_limit"] = _group_rate(job.group)
    return _part(**fields)


@cache
def _stand(state: State, verbs: frozenset[Verb], busy: bool) -> bytes:
    return _part(
        state=enums.STATES[state], actions=enums.actions(state, verbs), busy=busy
    )


def _time(field_number: int, instant: Instant | None) -> bytes:
    if instant is None:
        return b""
    return field(field_number, wiretime.timestamp_bytes(instant))


def _has_rest(job: Job) -> bool:
    """Few jobs have any of this at any time."""
    return (
        job.wanted != _NO_WISH
        or job.pending is not None
        or job.failure is not None
        or bool(job.pauses)
        or bool(job.warnings)
    )


def _rest(job: Job) -> bytes:
    fields: Fields = {}
    if not job.is_final:
        # What only a job has that has not ended: see `life.move`.
        fields["pauses"] = [_pause(pause) for pause in job.pauses]
        fields["pending"] = None if job.pending is None else _pending(job.pending)
        fields["wanted"] = list(_wishes(job))
    if job.wanted.cancel is not None:
        fields["cancel_comment"] = job.wanted.cancel.comment
    if job.warnings:
        fields["warnings"] = [_warning(warning) for warning in job.warnings]
    error = b"" if job.failure is None else _ERROR.of(job.failure)
    return _part(**fields) + error


def _info(job: Job, *, keep: bool) -> bytes:
    if job.status is None and job.result is None:
        return _SPEC.of(job.spec, keep=keep)
    return _part(info=info_fields(job.spec, job.status, job.result))


def _part(**fields: object) -> bytes:
    return job_pb2.Job(**fields).SerializeToString()  # type: ignore[arg-type]  # fields by name


def _holds(job: Job) -> bool:
    """Whether its holds are in force: a job that queues for them has none."""
    waits = job.state is State.QUEUED and job.on_conflict_queue
    return not job.is_final and not waits


def _is_busy(job: Job) -> bool:
    """A worker is at it. A job taken over from another life has none at first."""
    return job.worker is not None and (job.state in _BUSY or job.is_finalizing)


def _group_rate(group: Group) -> Fields | None:
    return None if group.rate == _UNLIMITED else rate_fields(group.rate)


def _warning(warning: JobWarning) -> Fields:
    return {
        "message": warning.message,
        "warning_time": wiretime.timestamp_fields(warning.time),
        "node_uri": file_uri(warning.node_uri),
    }


def _pause(pause: Pause) -> Fields:
    return {
        "holder": enums.PAUSE_HOLDERS[pause.holder],
        "reason": pause.reason,
        "pause_time": wiretime.timestamp_fields(pause.time),
        "actor": pause.actor,
    }


def _pending(pending: Pending) -> Fields:
    fields: Fields = {
        "reason": enums.PENDING_REASONS[pending.reason],
        "message": pending.message,
        "node_uri": file_uri(pending.node_uri or ""),
        "until_time": wiretime.timestamp_fields(pending.until),
    }
    if pending.job_id is not None:
        fields["blocking_job_id"] = pending.job_id
    elif pending.reason is PendingReason.HOLD and pending.pid is not None:
        fields["blocking_process"] = {
            "pid": pending.pid,
            "command": pending.command or "",
        }
    return fields


def _node(node: Node, *, active: bool) -> Fields:
    return {
        "role": enums.ROLES[node.role],
        "uri": file_uri(node.uri),
        "format": node.format,
        "identity": node.key,
        "hold": {
            "taken": enums.permissions(node.taken),
            "shared": enums.permissions(node.shared),
            "active": active,
        },
        "io_status": enums.IO_STATUSES[node.io_status],
        "device": node.device,
    }


def node_to_proto(node: Node) -> node_pb2.JobNode:
    """A node that a plan would hold."""
    return node_pb2.JobNode(**_node(node, active=False))


def _step(step: Transition) -> bytes:
    """A third of a job's bytes are its steps, and their words are mostly the same."""
    words = _words(step.state.value, step.reason, step.actor)
    return field(_HISTORY, words + _time(_STEP_TIME, step.time))


@lru_cache(1024)
def _words(state: str, reason: str, actor: str) -> bytes:
    return job_pb2.JobTransition(
        state=enums.STATES[State(state)], reason=reason, actor=actor
    ).SerializeToString()


def _worker(job: Job) -> bytes:
    assert job.worker is not None
    worker = job.worker
    return _part(
        worker={
            "host": job.host,
            "thread": worker.thread,
            "attempt": worker.attempt,
            "epoch": worker.epoch,
        }
    )


def _wishes(job: Job) -> Iterator[Fields]:
    """What was asked and is not reached."""
    if job.pauses and job.state not in _RESTING:
        first = job.pauses[0]
        yield _wish(Verb.PAUSE, Ask(first.actor, first.time))
    if job.wanted.cancel is not None:
        yield _wish(Verb.CANCEL, job.wanted.cancel)
    if job.wanted.complete is not None:
        yield _wish(Verb.COMPLETE, job.wanted.complete)
    if job.wanted.finalize is not None:
        yield _wish(Verb.FINALIZE, job.wanted.finalize)
    if job.wanted.resume is not None:
        yield _wish(Verb.RESUME, job.wanted.resume)


def _wish(verb: Verb, ask: Ask) -> Fields:
    return {
        "action": enums.ACTIONS[verb],
        "actor": ask.by,
        "ask_time": wiretime.timestamp_fields(ask.time),
    }


_CONSTANT = RememberedFields[Job, bytes](
    (
        *("uid", "job_id", "kind", "create_time", "labels", "number", "owner"),
        *("traceparent", "host", "after", "group"),
    ),
    _constant,
)
_WORKER = RememberedFields[Job, bytes](("worker", "host"), _worker)
_SPEC = Remembered[Spec, bytes](lambda spec: _part(info=info_fields(spec, None, None)))
_OPTIONS = Remembered[Options, bytes](lambda one: _part(options=options_fields(one)))
_PROGRESS = Remembered[Progress, bytes](
    lambda progress: _part(progress=progress_fields(progress))
)
_ACTIVE_NODE = Remembered[Node, bytes](
    lambda one: _part(nodes=[_node(one, active=True)])
)
_IDLE_NODE = Remembered[Node, bytes](
    lambda one: _part(nodes=[_node(one, active=False)])
)
_STEP = Remembered[Transition, bytes](_step)
_ERROR = Remembered[Failure, bytes](lambda one: _part(error=status.of_failure(one)))

_NO_WISH = Wanted()


def _number(name: str, message: Descriptor = job_pb2.Job.DESCRIPTOR) -> int:
    return message.fields_by_name[name].number


_REVISION = _number("revision")
_START_TIME = _number("start_time")
_END_TIME = _number("end_time")
_EXPIRE_TIME = _number("expire_time")
_HISTORY = _number("history")
_STEP_TIME = _number("transition_time", job_pb2.JobTransition.DESCRIPTOR)
