"""`python -m longshore.cli`, where no script is installed."""

import sys

from .main import main

sys.exit(main())
