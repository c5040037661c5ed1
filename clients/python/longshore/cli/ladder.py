"""Ctrl-C while a job that this command has made is waited for.

The first asks to cancel the job, and the wait goes on to its end; the third stops the
waiting at once, whatever has become of the cancel.
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

# What is so of a job that was left.
GOES_ON = "the job goes on"
CANCELLING = "the job is being cancelled"
UNKNOWN = "the daemon has not answered yet whether it cancels the job"


class Ladder:
    """Counts; `is_left` once the third has come. `fate` is what is so of the job."""

    def __init__(self, handle: JobHandle) -> None:
        self._handle = handle
        # Written by the threads of the ladder, each a single word.
        self.is_left = False
        self.fate = GOES_ON

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
                self.fate = UNKNOWN
                say("cancelling the job; Ctrl-C twice more stops waiting for its end")
                # Not here: the daemon may be slow, and the ladder must not be.
                threading.Thread(target=self._cancel, args=(say,), daemon=True).start()
            elif count == 2:
                say(f"{self.fate}; Ctrl-C once more stops waiting for its end")
            else:
                self.is_left = True
                leave()

    def _cancel(self, say: Say) -> None:
        try:
            self._handle.client.job(self._handle.job_id).cancel("Ctrl-C")
        except LongshoreError as error:
            self.fate = GOES_ON
            say(f"the job was not cancelled and goes on: {error}")
        else:
            self.fate = CANCELLING
