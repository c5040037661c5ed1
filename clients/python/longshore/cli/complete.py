"""Shell completion: scripts that ask this program, and its answer.

The answer is walked out of the parser itself, so it cannot fall behind; job ids come
from the daemon, if that answers at once.
"""

import argparse
import itertools
import os
from collections.abc import Iterable, Sequence

from . import output
from .exits import Exit

# A shell that hangs is worse than one that does not know.
PATIENCE_SECONDS = 0.5
JOBS = 100

SCRIPTS = {
    "bash": """\
_longshore() {
    local word
    COMPREPLY=()
    while IFS= read -r word; do
        COMPREPLY+=("$word")
    done < <(longshore __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -o bashdefault -F _longshore longshore""",
    "zsh": """\
#compdef longshore
_longshore() {
    local -a found
    found=("${(@f)$(longshore __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    if [[ -n "${found[1]}" ]]; then
        compadd -a found
    else
        _files
    fi
}
if [[ "${funcstack[1]}" = "_longshore" ]]; then
    _longshore "$@"
else
    compdef _longshore longshore
fi""",
    "fish": """\
function __longshore_complete
    set -l words (commandline -opc) (commandline -ct)
    longshore __complete $words[2..-1] 2>/dev/null
end
complete -c longshore -a '(__longshore_complete)'""",
}


def script(shell: str) -> str:
    return SCRIPTS[shell]


def answer(words: Sequence[str]) -> int:
    """Print what may stand for the last word; nothing: let the shell complete files."""
    from .parser import build

    typed = words[-1] if words else ""
    found = candidates(build(), words[:-1], typed)
    output.write(sorted({word for word in found if word.startswith(typed)}))
    return int(Exit.DONE)


def candidates(
    parser: argparse.ArgumentParser, before: Sequence[str], typed: str
) -> Iterable[str]:
    """All that may come after some words."""
    place, left = 0, list(before)
    server: str | None = None
    while left:
        word = left.pop(0)
        option = _option(parser, word)
        if option is not None and option.nargs != 0 and "=" not in word:
            if not left:
                return _values(option)
            value = left.pop(0)
            server = value if option.dest == "server" else server
        elif word in (known := subcommands(parser)):
            parser, place = known[word], 0
        elif option is None:
            place += 1
    if typed.startswith("-"):
        return [text for action in parser._actions for text in action.option_strings]
    if known := subcommands(parser):
        return known
    positional = _positional(parser, place)
    if positional is None:
        return ()
    return job_ids(server) if positional.dest == "job" else _values(positional)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _option(parser: argparse.ArgumentParser, word: str) -> argparse.Action | None:
    name = word.partition("=")[0]
    return next(
        (action for action in parser._actions if name in action.option_strings), None
    )


def _positional(parser: argparse.ArgumentParser, place: int) -> argparse.Action | None:
    found = [action for action in parser._actions if not action.option_strings]
    if place < len(found):
        return found[place]
    # The last one may take any number of words.
    return found[-1] if found and found[-1].nargs in ("+", "*") else None


def _values(action: argparse.Action) -> Iterable[str]:
    return [str(choice) for choice in action.choices or ()]


def job_ids(server: str | None) -> list[str]:
    """The newest jobs of the daemon; none if it does not answer at once."""
    import grpc

    from ..client import Client
    from ..v1 import job_service_pb2

    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    request = job_service_pb2.ListJobsRequest(page_size=JOBS)
    try:
        with Client(server) as daemon:
            page = daemon.stub().ListJobs(request, timeout=PATIENCE_SECONDS)
    except (grpc.RpcError, ValueError):
        return []
    return [job.job_id for job in itertools.islice(page.jobs, JOBS)]
