"""Shell completion: a script that shtab makes of the parser.

Commands, options and choices shtab sees for itself; what else a word may be is told by
its metavar: a file, or a job, which the script asks the daemon for.
"""

import argparse
from collections.abc import Iterator

from .exits import CommandError, Exit
from .parser import build
from .verbs import OPTIONS, VALUES

# The newest are enough.
_JOBS = "longshore list -n 100 -o name"

# What `set` takes. Each name is there at least twice, so that bash stops after the =.
_OPTIONS = " ".join(
    f"{name}={value}"
    for name in OPTIONS
    for value in (*VALUES.get(name, ("",)), "none")
)

# tcsh knows no functions: there the command stands where it is used.
_FUNCTIONS = {
    "bash": f"""\
_longshore_jobs() {{
  compgen -W "$({_JOBS} 2>/dev/null)" -- "$1"
}}
_longshore_options() {{
  compgen -W "{_OPTIONS}" -- "$1"
}}""",
    "zsh": f"""\
_longshore_jobs() {{
  local -a jobs
  jobs=(${{(f)"$({_JOBS} 2>/dev/null)"}})
  compadd "$@" -a jobs
}}
_longshore_options() {{
  compadd "$@" -- {_OPTIONS}
}}""",
}
_JOB = {"bash": "_longshore_jobs", "zsh": "_longshore_jobs", "tcsh": f"`{_JOBS}`"}
_OPTION = {
    "bash": "_longshore_options",
    "zsh": "_longshore_options",
    "tcsh": f"`echo {_OPTIONS}`",
}

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
    # Not those of `limit`, which takes fewer.
    for action in subcommands(parser)["set"]._actions:
        if action.dest == "options":
            action.complete = _OPTION  # type: ignore[attr-defined]  # read by shtab
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
