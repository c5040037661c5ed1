"""A daemon as `longshored serve`, but its pulls do nothing: what a job costs by itself.

python -m bench.nothing serve --state DIR --root DIR --listen ADDRESS
"""

import sys
from collections.abc import Mapping
from functools import partial

from longshored.app import command, daemon
from longshored.block.roots import Roots
from longshored.drivers.base import Driver, by_kind
from tests.support.drivers import Nothing


def _nothing(_: Roots) -> Mapping[str, Driver]:
    return by_kind([Nothing()])


if __name__ == "__main__":
    daemon.Daemon = partial(daemon.Daemon, registry=_nothing)  # type: ignore[assignment, misc]  # the one thing that differs
    sys.exit(command.main())
