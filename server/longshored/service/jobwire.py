"""Jobs and their changes as bytes: translated and serialised once per revision."""

from collections import OrderedDict
from collections.abc import Mapping

from longshore.v1 import job_pb2, watch_pb2

from ..job.model import Job
from ..job.states import Verb
from ..store.change import Change, ChangeKind
from . import enums, frames, wiretime
from .translate_job import job_to_wire

# About half a kilobyte each. Lists that are polled and watches that open meet the
# same finished jobs again and again.
_KEPT_JOBS = 16384

_NO_VERBS: frozenset[Verb] = frozenset()

_EVENT_KINDS = {
    ChangeKind.CREATED: watch_pb2.JOB_EVENT_KIND_CREATED,
    ChangeKind.UPDATED: watch_pb2.JOB_EVENT_KIND_UPDATED,
    ChangeKind.REMOVED: watch_pb2.JOB_EVENT_KIND_REMOVED,
}
_EVENT_JOB = watch_pb2.JobEvent.DESCRIPTOR.fields_by_name["job"].number


class JobWire:
    """Translates jobs for every stream and call; knows the verbs of each kind.

    Safe for threads: losing a race costs a second translation, nothing else.
    """

    def __init__(self, verbs: Mapping[str, frozenset[Verb]]) -> None:
        # Set once.
        self._verbs = verbs
        # Every step on it is one operation of a dict.
        self._kept: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def message(self, job: Job) -> job_pb2.Job:
        return job_pb2.Job.FromString(self.fresh(job))

    def known(self, number: int, revision: int) -> bytes | None:
        """What encode() made of a job at a revision, if it is kept."""
        return self._kept.get((number, revision))

    def encode(self, job: Job) -> bytes:
        """The job as the store has it at its revision."""
        if not job.revision:
            return self.fresh(job)
        key = (job.number, job.revision)
        if (known := self._kept.get(key)) is not None:
            return known
        encoded = self.fresh(job)
        self._kept[key] = encoded
        if len(self._kept) > _KEPT_JOBS:
            self._kept.popitem(last=False)
        return encoded

    def fresh(self, job: Job) -> bytes:
        """The job as it is given: a draft, or one with newer progress."""
        return job_to_wire(job, self._verbs.get(job.kind, _NO_VERBS))

    def event(self, change: Change) -> bytes:
        """The change as an element of a batch of events."""
        head = watch_pb2.JobEvent(
            kind=_EVENT_KINDS[change.kind],
            revision=change.revision,
            previous_state=_previous(change),
            event_time=wiretime.timestamp(change.time),
        )
        job = frames.field(_EVENT_JOB, self.encode(change.job))
        return frames.event(head.SerializeToString() + job)


def _previous(change: Change) -> job_pb2.JobState.ValueType:
    if change.previous is None:
        return job_pb2.JOB_STATE_UNSPECIFIED
    return enums.STATES[change.previous]
