"""The client of a command, and the jobs and images that its words name."""

import itertools
import re
from dataclasses import replace
from pathlib import Path

from ..address import check_address, default_address
from ..client import Client, JobHandle
from ..credentials import Credentials, is_local
from ..errors import NotFound
from ..v1 import image_pb2
from .arguments import Arguments
from .away import Notice
from .exits import CommandError

# So much of an id is enough to look it up by its beginning.
_PREFIX = re.compile(r"[0-9a-z-]{4,62}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# A beginning is looked for among so many, newest first: a store may hold millions.
SEARCHED = 5000
PAGE = 500


class Daemon(Client):
    """The client of a command; its notice says when the daemon goes away."""

    def __init__(self, args: Arguments) -> None:
        self.notice = Notice(is_quiet=args.quiet)
        super().__init__(args.server, credentials(args), self.notice)


def credentials(args: Arguments) -> Credentials:
    """Those of the environment, and over them those of the command."""
    found = Credentials.from_environment()
    given = {
        name: args[name]
        for name in ("tls_ca", "tls_cert", "tls_key", "tls_name", "token_file")
        if args[name] is not None
    }
    if "token_file" in given:
        given["token"] = None
    return replace(found, **given)


def tls_trouble(args: Arguments) -> str:
    """Why TLS keeps us out, if it is that: gRPC alone says "unavailable"."""
    from . import diagnose

    address = check_address(args.server or default_address())
    who = credentials(args)
    return "" if is_local(address) else diagnose.trouble(address, who)


def image(path: str, declared: str) -> image_pb2.ImageRef:
    """An image as the daemon names it: by absolute path."""
    if not path:
        raise CommandError("the path of the image is empty")
    if "://" not in path:
        path = str(Path.cwd() / path)
    return image_pb2.ImageRef(uri=path, format=declared)


def links(args: Arguments) -> list[image_pb2.ImageRef]:
    """The chain below an image as --link declares it."""
    return [image(path, declared) for path, declared in args["link"]]


def find(daemon: Client, word: str) -> JobHandle:
    """A job by its id, or by an unambiguous beginning of it."""
    handle = daemon.job(word)
    if _UUID.fullmatch(word):
        # Complete: whatever is asked of the job will say if there is none.
        return handle
    try:
        handle.get()
    except NotFound:
        if not _PREFIX.fullmatch(word):
            raise
    else:
        return handle
    return _beginning(daemon, word)


def _beginning(daemon: Client, word: str) -> JobHandle:
    newest = itertools.islice(daemon.list(page_size=PAGE), SEARCHED)
    matches = [job for job in newest if job.job_id.startswith(word)]
    if len(matches) > 1:
        some = ", ".join(job.job_id for job in matches[:3])
        more = " …" if len(matches) > 3 else ""
        raise CommandError(
            f"{word} is the beginning of {len(matches)} jobs: {some}{more}"
        )
    if not matches:
        raise CommandError(f"no job {word}; see: longshore list")
    return JobHandle(daemon, matches[0].job_id, matches[0])
