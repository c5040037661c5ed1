"""Threads that run tasks: as many as there are tasks, the idle ones kept a while.

The pool itself has no bound: what starts jobs counts slots, and a paused job
keeps its thread without one. Its threads yield to the rest of the daemon, whose
answers are short and awaited.
"""

import os
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import structlog

Task = Callable[[], None]

# Enough to keep the loop of the service on time under copying threads (p99 at four
# workers: 4.0 ms at 0, 2.3 at 5, 2.5 at 10); at 10, jobs on a busy host fell a fifth
# short of their limits.
NICENESS = 5

# An idle thread ends after so long: after a rush the memory comes back.
IDLE_SECONDS = 30.0

_log = structlog.get_logger(__name__)


class Pool:
    def __init__(self) -> None:
        # Set once. Both conditions are of one lock.
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._rest = threading.Condition(self._lock)
        # Guarded by _lock.
        self._tasks: deque[Task] = deque()
        self._idle = 0
        self._busy = 0

    def run(self, task: Task) -> None:
        """Run a task soon, on a thread of its own."""
        with self._lock:
            self._tasks.append(task)
            if self._idle >= len(self._tasks):
                self._work.notify()
                return
        try:
            threading.Thread(target=self._serve, name="worker", daemon=True).start()
        except RuntimeError as error:
            # The host gives no more threads: the next one that is free takes it.
            _log.error("task_delayed", error=str(error))

    def join(self, timeout: float) -> bool:
        """Wait until every task is done; False if time was up first."""
        with self._lock:
            return self._rest.wait_for(
                lambda: not self._busy and not self._tasks, timeout
            )

    def _serve(self) -> None:
        _yield_to_others()
        while (task := self._take()) is not None:
            try:
                task()
            except Exception:  # noqa: BLE001 - a thread must outlive its tasks
                _log.exception("task_failed")
            finally:
                self._done()

    def _take(self) -> Task | None:
        with self._lock:
            self._idle += 1
            try:
                if not self._work.wait_for(lambda: self._tasks, IDLE_SECONDS):
                    return None
            finally:
                self._idle -= 1
            self._busy += 1
            return self._tasks.popleft()

    def _done(self) -> None:
        with self._lock:
            self._busy -= 1
            if not self._busy:
                self._rest.notify_all()


def _yield_to_others() -> None:
    # Not allowed where the system calls are filtered: then it is only less smooth.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
