"""longshored: serve | config show | config check | probe."""

import os
import signal
import sys

# Before anything imports grpc: its C core writes INFO lines on stderr.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")


def _end(number: int, _: object) -> None:
    os._exit(128 + number)


# The first process of a container ignores what it has no handler for: there nobody
# could stop us until `serve` has its own.
if os.getpid() == 1:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)

from .app.command import main as command_line  # noqa: E402 - after the above


def main() -> int:
    """The console script."""
    return command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
