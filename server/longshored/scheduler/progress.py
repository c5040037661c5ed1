"""The board of newest progress: what has moved since a watcher last looked.

Nobody measures while nobody looks: the meters are read when the board is asked,
at most so often, whoever asks.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..clock import Clock, Instant
from ..drivers.meter import Meter
from ..job.progress import Progress

# Below it a bar does not look smoother, and the rate only jitters.
SHORTEST_LOOK_SECONDS = 0.05

# A rate that moved by less is the same to the eye. A stalled job's rate fades
# for a while; without this it would be news all that time.
STILL = 0.05


@dataclass(frozen=True, slots=True)
class Running:
    """A job at work, where it counts, and when this attempt saved a checkpoint last."""

    number: int
    job_id: str
    meter: Meter
    saved_time: Instant | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    version: int
    job_id: str
    progress: Progress


class ProgressBoard:
    def __init__(self, running: Callable[[], Iterable[Running]], clock: Clock) -> None:
        # Set once.
        self._running = running
        self._clock = clock
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._version = 0
        self._samples: dict[int, Sample] = {}
        self._looked: float | None = None

    def since(self, version: int) -> tuple[int, dict[int, tuple[str, Progress]]]:
        """The version now, and by number each (job_id, progress) newer than that."""
        with self._lock:
            self._look_locked()
            return self._version, {
                number: (sample.job_id, sample.progress)
                for number, sample in self._samples.items()
                if sample.version > version
            }

    def _look_locked(self) -> None:
        now = self._clock.now()
        if self._looked is not None and now - self._looked < SHORTEST_LOOK_SECONDS:
            return
        self._looked = now
        samples = {
            one.number: self._sample_locked(one) for one in list(self._running())
        }
        self._samples = samples

    def _sample_locked(self, one: Running) -> Sample:
        progress = one.meter.sample()
        last = self._samples.get(one.number)
        if last is not None and _shows_same(last.progress, progress):
            return last
        self._version += 1
        return Sample(self._version, one.job_id, progress)


def _shows_same(old: Progress, new: Progress) -> bool:
    """Has nothing moved that a watcher sees? Time alone does not count."""
    return (
        old.current == new.current
        and old.total == new.total
        and old.phase == new.phase
        and old.limited_by is new.limited_by
        and abs(old.rate - new.rate) <= max(1.0, STILL * old.rate)
    )
