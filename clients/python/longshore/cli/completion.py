"""Shell completion: a script that shtab makes of the parser.

Commands, options and choices shtab sees for itself; what else a word may be is told by
its metavar: a file, or a job, which the script asks the daemon for.
"""

import argparse
from collections.abc import Iterator

from .exits import CommandError, Exit
from .parser import build

# The newest are enough.
_JOBS = "longshore list -n 100 -o name"

# tcsh knows no functions: there the command stands where it is used.
_FUNCTIONS = {
    "bash": f"""\
_longshore_jobs() {{
  compgen -W "$({_JOBS} 2>/dev/null)" -- "$1"
}}""",
    "zsh": f"""\
_longshore_jobs() {{
  local -a jobs
  jobs=(${{(f)"$({_JOBS} 2>/dev/null)"}})
  compadd "$@" -a jobs
}}""",
}
_JOB = {"bash": "_longshore_jobs", "zsh": "_longshore_jobs", "tcsh": f"`{_JOBS}`"}

_COMPLETIONS = {"JOB": _JOB, "TOP": "file", "IMAGE": "file", "PATH": "file"}


def script(shell: str) -> str:
    try:
        import shtab
    except ImportError:
        raise CommandError(
            "completion scripts are made by shtab: pip install shtab",
            Exit.FAILED,
        ) from None
    parser = build()
    for action in _actions(parser):
        if found := _COMPLETIONS.get(str(action.metavar)):
            action.complete = found  # type: ignore[attr-defined]  # read by shtab
    return shtab.complete(parser, shell, preamble=_FUNCTIONS.get(shell, ""))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    yield from parser._actions
    for inner in subcommands(parser).values():
        yield from _actions(inner)


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}
