"""How the nodes of unfinished jobs are called after a start.

A node is known by its device and inode, and a disk may have got another number while
the daemon was away: then a new job on the same image would not meet the old one, and
perhaps one on another image would.
"""

import threading
from collections.abc import Iterable, Mapping

import structlog

from ..drivers.base import Driver
from ..job.model import Job
from ..job.nodes import Node
from .pool import Pool

# By number of the job; of those alone whose nodes are called otherwise now.
Nodes = Mapping[int, tuple[Node, ...]]

# Seconds to look at files before the daemon serves: a file system that does not answer
# must not keep it from that. Ten thousand jobs take a third of one.
PATIENCE = 5.0

_log = structlog.get_logger(__name__)


class Recogniser:
    """Looks at files, so never on the journal's thread."""

    def __init__(self, pool: Pool, drivers: Mapping[str, Driver]) -> None:
        self._pool = pool
        self._drivers = drivers

    def look(self, jobs: Iterable[Job], patience: float = PATIENCE) -> Nodes:
        """The nodes that were found in so many seconds to be called otherwise."""
        found: dict[int, tuple[Node, ...]] = {}
        done = threading.Event()

        def look() -> None:
            try:
                for job in jobs:
                    driver = self._drivers.get(job.kind)
                    nodes = job.nodes if driver is None else driver.identify(job.nodes)
                    if nodes != job.nodes:
                        found[job.number] = nodes
            finally:
                done.set()

        self._pool.run(look)
        if not done.wait(patience):
            _log.warning("nodes_not_recognised", seconds=patience)
        return dict(found)
