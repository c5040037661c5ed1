"""longshored: serve | config show | config check | probe."""

import os
import sys

# Before anything imports grpc: its C core writes INFO lines on stderr.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from .app.command import main as command_line


def main() -> int:
    """The console script."""
    return command_line(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
