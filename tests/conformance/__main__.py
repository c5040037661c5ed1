"""Runs the conformance suite: python -m tests.conformance [--client LANGUAGE…]

Every scenario with every client, one line for each that misses, the matrix at the end.
"""

import os
import sys

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from .command import main  # noqa: E402 - grpc looks at it when it is loaded

sys.exit(main())
