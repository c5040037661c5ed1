"""Workers side by side, until the batch is full, something is wanted, or one fails.

The first failure wins: everyone finishes the request in flight and is joined,
and what was not done is back in the feed.
"""

import mmap
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .feed import Feed
from .worker import LARGEST, Batch, Results, Route, Worker

# One reads while one writes: a third is no faster (bench/pull.py, two processors).
WORKERS = 2


class Engine:
    """Owns the buffers, which live as long as it does.

    One batch at a time; no thread outlives `run`.
    """

    def __init__(self, route: Route, cluster: int, workers: int = WORKERS) -> None:
        self._route = route
        size = max(LARGEST, cluster)
        self._buffers = [mmap.mmap(-1, size) for _ in range(workers)]

    def run(self, feed: Feed) -> Batch:
        """Work on an open batch until it is over, something is wanted, or fails."""
        results = Results(feed)
        threads = [
            threading.Thread(
                target=Worker(self._route, feed, results, buffer).run,
                name=f"copy-{index}",
            )
            for index, buffer in enumerate(self._buffers)
        ]
        with _joined(feed) as started:
            for thread in threads:
                thread.start()
                started.append(thread)
        return results.batch()


@contextmanager
def _joined(feed: Feed) -> Iterator[list[threading.Thread]]:
    """Join every thread in the list at the end; stop them first if it is an error."""
    started: list[threading.Thread] = []
    try:
        yield started
    except BaseException:
        feed.close()
        raise
    finally:
        for thread in started:
            thread.join()
        feed.close()
