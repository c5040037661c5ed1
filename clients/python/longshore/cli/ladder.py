"""Ctrl-C while a job that this command has made is waited for.

The first asks the job to end, and the wait goes on to that end; the third leaves at
once, and the job goes on by itself.
"""

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from ..client import JobHandle
from ..errors import LongshoreError
from .output import Say


class Ladder:
    """Counts; `is_left` once the third has come."""

    def __init__(self, handle: JobHandle) -> None:
        self._handle = handle
        self.is_left = False

    @contextmanager
    def stands(self, say: Say, leave: Callable[[], None]) -> Iterator[None]:
        """Ctrl-C climbs it for the time of the block; `leave` must end the wait."""
        # A signal may come while any lock is held, and this queue takes none.
        steps: queue.SimpleQueue[int | None] = queue.SimpleQueue()

        def interrupted(number: int, frame: FrameType | None) -> None:
            steps.put(number)

        before = signal.signal(signal.SIGINT, interrupted)
        climber = threading.Thread(
            target=self._climb, args=(steps, say, leave), daemon=True
        )
        climber.start()
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
            steps.put(None)
            climber.join()

    def _climb(
        self,
        steps: "queue.SimpleQueue[int | None]",
        say: Say,
        leave: Callable[[], None],
    ) -> None:
        count = 0
        while steps.get() is not None:
            count += 1
            if count == 1:
                say("asking the job to end; Ctrl-C twice more leaves it to itself")
                # Not here: the daemon may be slow, and the ladder must not be.
                threading.Thread(target=self._cancel, args=(say,), daemon=True).start()
            elif count == 2:
                say("Ctrl-C once more leaves the job to itself")
            else:
                self.is_left = True
                leave()

    def _cancel(self, say: Say) -> None:
        try:
            self._handle.client.job(self._handle.job_id).cancel("Ctrl-C")
        except LongshoreError as error:
            say(f"it could not be asked: {error}")
