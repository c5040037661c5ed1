"""The same for every job that a command names, whatever becomes of the others."""

import sys
from collections.abc import Callable

from ..client import JobHandle
from ..errors import ServiceError
from ..v1 import job_pb2
from .arguments import Arguments
from .connect import Daemon
from .exits import CommandError, Exit
from .failures import explain
from .lookup import find
from .output import Printer


def each(
    args: Arguments,
    ask: Callable[[JobHandle], job_pb2.Job],
    lines: Callable[[job_pb2.Job], list[str]],
) -> Exit:
    """Ask, and print what is answered; the worst code counts."""
    named = args["job"]
    worst = Exit.DONE
    with Daemon(args) as daemon, Printer.of(args).sheet(len(named)) as put:
        for word in named:
            try:
                handle = find(daemon, word)
                job = ask(handle)
            except (ServiceError, CommandError) as error:
                if len(named) == 1:
                    raise
                worst = max(worst, _report(word, error))
            else:
                # A dismiss that is repeated may answer nothing.
                job.job_id = handle.job_id
                put(job, lines(job), job.job_id)
    return worst


def _report(word: str, error: ServiceError | CommandError) -> Exit:
    message, code = (
        (str(error), error.code) if isinstance(error, CommandError) else explain(error)
    )
    sys.stderr.write(f"error: {word}: {message}\n")
    return code
