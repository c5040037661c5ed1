"""The client of a command, and the jobs and images that its words name."""

import re
from pathlib import Path

from ..client import Client, JobHandle
from ..errors import NotFound
from ..v1 import image_pb2
from .exits import CommandError, Exit
from .parser import Arguments

# A generated id is a UUID; so much of it is enough to look it up by its beginning.
_PREFIX = re.compile(r"[0-9a-z-]{4,}")


def client(args: Arguments) -> Client:
    return Client(args.server)


def image(path: str, declared: str) -> image_pb2.ImageRef:
    """An image as the daemon names it: by absolute path."""
    if "://" not in path:
        path = str(Path.cwd() / path) if not path.startswith("/") else path
    return image_pb2.ImageRef(uri=path, format=declared)


def find(daemon: Client, word: str) -> JobHandle:
    """A job by its id, or by an unambiguous beginning of it."""
    handle = daemon.job(word)
    try:
        handle.get()
    except NotFound:
        if not _PREFIX.fullmatch(word):
            raise
    else:
        return handle
    matches = [job for job in daemon.list(page_size=500) if job.job_id.startswith(word)]
    if len(matches) > 1:
        some = ", ".join(job.job_id for job in matches[:3])
        raise CommandError(f"{word} is the beginning of several jobs: {some} …")
    if not matches:
        raise CommandError(f"no job {word}; see: longshore list", Exit.USAGE)
    return JobHandle(daemon, matches[0].job_id, matches[0])
