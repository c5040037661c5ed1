"""Jobs and their changes as bytes: translated once, when a change is written.

The store keeps the bytes beside the job, so lists and snapshots only copy them.
"""

from collections.abc import Mapping
from functools import cache

from longshore.v1 import job_pb2, watch_pb2

from ..job.model import Job
from ..job.progress import Progress
from ..job.replace import replace
from ..job.states import State, Verb
from ..remembered import Remembered
from ..store.change import Change, ChangeKind
from ..store.listing import Stored
from . import enums, frames, shown, wiretime
from .translate_job import job_to_wire

# A watch, and whoever made the job, are told of a change just after it is written:
# some batches of the journal are remembered.
_MOST_MADE = 2048

_NO_VERBS: frozenset[Verb] = frozenset()

_EVENT_KINDS = {
    ChangeKind.CREATED: watch_pb2.JOB_EVENT_KIND_CREATED,
    ChangeKind.UPDATED: watch_pb2.JOB_EVENT_KIND_UPDATED,
    ChangeKind.REMOVED: watch_pb2.JOB_EVENT_KIND_REMOVED,
}
_EVENT = watch_pb2.JobEvent.DESCRIPTOR.fields_by_name
_EVENT_JOB = _EVENT["job"].number
_EVENT_REVISION = _EVENT["revision"].number
_EVENT_TIME = _EVENT["event_time"].number


class JobWire:
    """Translates jobs for every stream and call; knows the verbs of each kind.

    Safe for threads: losing a race costs a second translation, nothing else.
    """

    def __init__(self, verbs: Mapping[str, frozenset[Verb]]) -> None:
        # Set once.
        self._verbs = verbs
        # By identity: a revision is given to another change if its commit fails.
        self._made = Remembered(self.fresh, most=_MOST_MADE)

    def message(self, job: Job) -> job_pb2.Job:
        return job_pb2.Job.FromString(self.fresh(job))

    def show(self, job: Job) -> bytes:
        """What the store is to keep beside the job."""
        return shown.seal(self._made.of(job))

    def stored(self, stored: Stored, progress: Progress | None = None) -> bytes:
        """The job as it was kept, unless its worker knows `progress` that is newer;
        only read if it has to be."""
        if progress is not None and not stored.is_final:
            return self.fresh(replace(stored.job(), progress=progress))
        kept = shown.unseal(stored.shown)
        return self.fresh(stored.job()) if kept is None else kept

    def changed(self, job: Job) -> bytes:
        """A job as a change has left it; the same bytes for whoever is told of it."""
        return self._made.of(job)

    def fresh(self, job: Job) -> bytes:
        """The job as it is given: a draft, or one with newer progress."""
        return job_to_wire(job, self._verbs.get(job.kind, _NO_VERBS))

    def event(self, change: Change) -> bytes:
        """The change as an element of a batch of events."""
        head = _kind(change.kind, change.previous)
        revision = frames.number(_EVENT_REVISION, change.revision)
        time = frames.field(_EVENT_TIME, wiretime.timestamp_bytes(change.time))
        job = frames.field(_EVENT_JOB, self.changed(change.job))
        return frames.event(b"".join((head, revision, time, job)))


@cache
def _kind(kind: ChangeKind, previous: State | None) -> bytes:
    unset = job_pb2.JOB_STATE_UNSPECIFIED
    return watch_pb2.JobEvent(
        kind=_EVENT_KINDS[kind],
        previous_state=unset if previous is None else enums.STATES[previous],
    ).SerializeToString()
