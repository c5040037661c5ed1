"""Runs the conformance suite: python -m tests.conformance [--client LANGUAGE…]

Every scenario with every client, one line for each that misses, the matrix at the end.
"""

import os
import sys

os.environ.setdefault("GRPC_VERBOSITY", "NONE")

# grpc looks at it when it is loaded.
from .command import main

sys.exit(main())
