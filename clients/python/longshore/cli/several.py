"""The same for every job that a command names, whatever becomes of the others."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

from ..client import JobHandle
from ..errors import ServiceError
from ..v1 import job_pb2
from .arguments import Arguments
from .connect import Daemon
from .exits import CommandError, Exit, worse
from .failures import explain
from .fields import named
from .lookup import find
from .output import Printer, Put


def each(
    args: Arguments,
    ask: Callable[[JobHandle], job_pb2.Job],
    lines: Callable[[job_pb2.Job], list[str]],
) -> Exit:
    """Ask, and print what is answered; the worst code counts."""
    with Daemon(args) as daemon:
        return asked(args, args["job"], partial(find, daemon), ask, lines)


def asked(
    args: Arguments,
    named: Sequence[str],
    handle_of: Callable[[str], JobHandle],
    ask: Callable[[JobHandle], job_pb2.Job],
    lines: Callable[[job_pb2.Job], list[str]],
) -> Exit:
    def do(word: str, put: Put) -> Exit:
        handle = handle_of(word)
        job = ask(handle)
        # A dismiss that is repeated may answer nothing.
        job.job_id = handle.job_id
        put(job, lines(job), job.job_id)
        return Exit.DONE

    return every(args, named, do)


def every(
    args: Arguments, named: Sequence[str], do: Callable[[str, Put], Exit]
) -> Exit:
    """Do it for each; one that fails does not keep the others."""
    worst = Exit.DONE
    with Printer.of(args).sheet(len(named)) as put:
        for word in named:
            try:
                code = do(word, put)
            except (ServiceError, CommandError, TimeoutError) as error:
                if len(named) == 1:
                    raise
                code = _report(args, word, error)
            worst = worse(worst, code)
            if code is Exit.DETACHED:
                break
    return worst


def _report(
    args: Arguments, word: str, error: ServiceError | CommandError | TimeoutError
) -> Exit:
    message, code = (
        (str(error), error.code) if isinstance(error, CommandError) else explain(error)
    )
    message = named(message, error, args.run)
    about = "" if word in message else f"{word}: "
    sys.stderr.write(f"error: {about}{message}\n")
    return code
