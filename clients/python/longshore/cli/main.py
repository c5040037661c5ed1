"""The entry: parse, run the command, turn every error into one line and a code."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module

from .arguments import Arguments
from .exits import CommandError, Exit, NotWritten
from .terminal import RED, paint, wants_color


def main(argv: Sequence[str] | None = None) -> int:
    # C-core would write its own lines between ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    words = sys.argv[1:] if argv is None else list(argv)
    from .parser import build

    args = Arguments.of(build().parse_args(words))
    return run(args)


def run(args: Arguments) -> int:
    try:
        return int(find(args.run)(args))
    except CommandError as error:
        return complain(args, str(error), error.code)
    except KeyboardInterrupt:
        return int(Exit.DETACHED)
    except BrokenPipeError:
        # The reader has seen enough.
        drop_output()
        return int(Exit.DONE)
    except NotWritten as error:
        drop_output()
        return complain(args, f"stdout cannot be written: {error}", Exit.FAILED)
    except Exception as error:  # noqa: BLE001 - the last resort: never a traceback
        message, code = explain(error)
        message = refused_by_tls(error, args) or named(message, error, args)
        return complain(args, message, code, hinted(error, args))


def drop_output() -> None:
    """What is left in the buffer goes nowhere: Python would try again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refused_by_tls(error: Exception, args: Arguments) -> str:
    """What TLS has against us, if that is why nobody answered."""
    from ..errors import ConnectionFailed
    from .connect import tls_trouble

    return tls_trouble(args) if isinstance(error, ConnectionFailed) else ""


def named(message: str, error: Exception, args: Arguments) -> str:
    from .connect import origin
    from .fields import named

    if isinstance(error, OSError) and error.filename is not None:
        return f"{origin(args, str(error.filename))} {message}".lstrip()
    return named(message, error, args.run)


def hinted(error: Exception, args: Arguments) -> str:
    from .fields import hint

    return hint(error, args)


def explain(error: Exception) -> tuple[str, Exit]:
    # The library is loaded only by commands that use it; so are its errors.
    from . import failures

    try:
        return failures.explain(error)
    except Exception as bug:  # noqa: BLE001 - it is raised again
        if os.environ.get("LONGSHORE_DEBUG"):
            traceback.print_exception(bug)
        what = f"{type(bug).__name__}: {bug}".splitlines()[0]
        return f"a bug of this program: {what} (LONGSHORE_DEBUG=1 shows more)", (
            Exit.FAILED
        )


def find(run: str) -> Callable[[Arguments], Exit]:
    """The function of a command: "module:function" below this package."""
    module, _, name = run.partition(":")
    found: Callable[[Arguments], Exit] = getattr(
        import_module(f".{module}", __package__), name
    )
    return found


def complain(args: Arguments, message: str, code: Exit, hint: str = "") -> int:
    label = "error:"
    if wants_color(sys.stderr, args.color):
        label = paint(label, RED)
    sys.stderr.write(f"{label} {message}\n")
    if hint:
        sys.stderr.write(f"hint: {hint}\n")
    return int(code)
