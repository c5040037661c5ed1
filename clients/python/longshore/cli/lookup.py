"""Which job a word names: by its id, by a part of that, or by the image it changes."""

import itertools
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..client import Client, JobHandle
from ..enums import JobState
from ..errors import NotFound
from ..v1 import job_pb2, node_pb2
from . import words
from .exits import CommandError
from .paths import absolute

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ID = re.compile(r"[0-9a-z-]{1,63}")
# So much of an id is enough to look it up by its beginning or its end.
_PART = re.compile(r"[0-9a-z-]{4,62}")
# What stands for the beginning that a table has left out.
_LEFT_OUT = re.compile(r"^(?:…|\.\.\.)")
# The ids of one minute begin alike, their ends differ.
_END = 8

# A job is looked for among so many, newest first: a store may hold millions.
SEARCHED = 5000
PAGE = 500

_FINAL = (
    job_pb2.JOB_STATE_SUCCEEDED,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
)
ENDED: Sequence[JobState] = _FINAL
ACTIVE: Sequence[JobState] = [
    state
    for state in job_pb2.JobState.values()
    if state not in (job_pb2.JOB_STATE_UNSPECIFIED, *_FINAL)
]


class NoJob(CommandError):
    """No job is named so."""


def short_id(job_id: str) -> str:
    """An id that the daemon made, as a narrow table shows it; `find` takes it."""
    return f"…{job_id[-_END:]}" if _UUID.fullmatch(job_id) else job_id


def find(daemon: Client, word: str) -> JobHandle:
    """The one job that a word names."""
    if _UUID.fullmatch(word):
        # Complete: whatever is asked of the job will say if there is none.
        return daemon.job(word)
    part = _LEFT_OUT.sub("", word)
    if "/" in part or "." in part:
        return _on_image(daemon, word)
    if part != word:
        return _by_part(daemon, word, part)
    handle = daemon.job(word)
    try:
        handle.get()
    except NotFound:
        if not _PART.fullmatch(word):
            raise
        return _by_part(daemon, word, part)
    return handle


def predecessor(daemon: Client, word: str) -> str:
    """The id of a job to come after; of one that is not there the daemon judges.

    A request that is sent again may name a job that is gone by now.
    """
    try:
        return find(daemon, word).job_id
    except (NotFound, NoJob):
        if not _ID.fullmatch(word):
            raise
        return word


def _by_part(daemon: Client, word: str, part: str) -> JobHandle:
    """By the beginning or the end of an id; after an ellipsis, by the end."""
    if not _PART.fullmatch(part):
        raise CommandError(f"{word} is not the end of an id: 4 characters at least")
    newest = itertools.islice(daemon.list(page_size=PAGE), SEARCHED)
    matches = [
        job
        for job in newest
        if job.job_id.endswith(part) or (part == word and job.job_id.startswith(part))
    ]
    if not matches and Path(word).exists():
        return _on_image(daemon, word)
    return _only(daemon, matches, f"no job {word}", f"{word} may be any of")


def _on_image(daemon: Client, word: str) -> JobHandle:
    """The job that changes an image, by its path; one that has ended does not."""
    path = words.place(absolute(word))
    names = {path, os.path.realpath(path)}
    found = daemon.list(states=ACTIVE, page_size=PAGE)
    matches = [
        job
        for job in itertools.islice(found, SEARCHED)
        if not job.HasField("end_time") and not names.isdisjoint(_changed(job))
    ]
    return _only(
        daemon,
        matches,
        f"no job that has not ended changes {path}",
        f"{path} is changed by",
    )


_WRITES = {
    node_pb2.PERMISSION_WRITE,
    node_pb2.PERMISSION_WRITE_UNCHANGED,
    node_pb2.PERMISSION_RESIZE,
    node_pb2.PERMISSION_GRAPH,
}


def _changed(job: job_pb2.Job) -> Iterable[str]:
    """The files that a job changes, by each of their names."""
    nodes = [node for node in job.nodes if not _WRITES.isdisjoint(node.hold.taken)]
    for path in (words.target(job), *(words.place(node.uri) for node in nodes)):
        yield from (path, os.path.realpath(path))


def _only(
    daemon: Client, matches: Sequence[job_pb2.Job], none: str, several: str
) -> JobHandle:
    if not matches:
        raise NoJob(f"{none}; see: longshore list")
    if len(matches) > 1:
        some = ", ".join(job.job_id for job in matches[:3])
        more = " …" if len(matches) > 3 else ""
        raise CommandError(f"{several} {len(matches)} jobs: {some}{more}")
    return JobHandle(daemon, matches[0].job_id, matches[0])
