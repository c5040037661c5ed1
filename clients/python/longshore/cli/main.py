"""The entry: parse, run the command, turn every error into one line and a code."""

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from .exits import CommandError, Exit
from .parser import Arguments, build


def main(argv: Sequence[str] | None = None) -> int:
    # C-core would write its own lines between ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    args = Arguments.of(build().parse_args(argv))
    try:
        return int(find(args.run)(args))
    except CommandError as error:
        return complain(str(error), error.code)
    except KeyboardInterrupt:
        return int(Exit.DETACHED)
    except BrokenPipeError:
        # The reader has seen enough; what is left in the buffer goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(Exit.DONE)
    except Exception as error:  # noqa: BLE001 - explain() raises what it knows not
        # The library is loaded only by commands that use it; so are its errors.
        from .failures import explain

        message, code = explain(error)
        return complain(message, code)


def find(run: str) -> Callable[[Arguments], Exit]:
    """The function of a command: "module:function" below this package."""
    module, _, name = run.partition(":")
    found: Callable[[Arguments], Exit] = getattr(
        import_module(f".{module}", __package__), name
    )
    return found


def complain(message: str, code: Exit) -> int:
    sys.stderr.write(f"error: {message}\n")
    return int(code)
