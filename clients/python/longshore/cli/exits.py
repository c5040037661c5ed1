"""Exit codes, the same for every command."""

from enum import IntEnum


class Exit(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    CANCELLED = 3
    WARNINGS = 4
    CONFLICT = 5
    UNREACHABLE = 6
    NOT_ALLOWED = 7
    TIMEOUT = 124
    DETACHED = 130


# Of several jobs that end differently, the last of these counts.
_BY_WEIGHT = (
    Exit.DONE,
    Exit.WARNINGS,
    Exit.CANCELLED,
    Exit.FAILED,
    Exit.CONFLICT,
    Exit.USAGE,
    Exit.NOT_ALLOWED,
    Exit.UNREACHABLE,
    Exit.TIMEOUT,
    Exit.DETACHED,
)


def worse(one: Exit, other: Exit) -> Exit:
    return max(one, other, key=_BY_WEIGHT.index)


MEANINGS = {
    Exit.DONE: "done; a job that was waited for succeeded",
    Exit.FAILED: "the job, or the command itself, failed",
    Exit.USAGE: "the command line is wrong, or names what is not there",
    Exit.CANCELLED: "the job was cancelled",
    Exit.WARNINGS: "the job succeeded, with warnings",
    Exit.CONFLICT: "target busy, wrong state, or changed by someone else",
    Exit.UNREACHABLE: "the daemon was not reached",
    Exit.NOT_ALLOWED: "not authenticated, or not allowed",
    Exit.TIMEOUT: "waited long enough; that alone ends no job",
    Exit.DETACHED: "Ctrl-C stopped the waiting; only that of pull --wait cancels a job",
}


class NotWritten(Exception):
    """What was to be printed could not be, and nothing more can."""


class CommandError(Exception):
    """Ends the command with one line on stderr and this code."""

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code
