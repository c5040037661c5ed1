"""How many jobs may work at once: in all, and on each device. Pure."""

from collections import Counter

from ..job.model import Job
from ..job.states import State

# Who has a worker at work. A paused job keeps its thread, parked, but gives its
# slot away: else a few paused jobs would stop everyone.
ACTIVE = frozenset({State.RUNNING, State.READY, State.ABORTING})


class Slots:
    """Who is at work, and where there is room for one more."""

    def __init__(self, in_all: int, per_device: int) -> None:
        # Settings; who is at work beyond smaller ones goes on.
        self.in_all = in_all
        self.per_device = per_device
        # What is there.
        self._active: dict[int, frozenset[str]] = {}
        self._busy: Counter[str] = Counter()

    @property
    def are_full(self) -> bool:
        return len(self._active) >= self.in_all

    def has(self, device: str) -> bool:
        """Is there a slot of this device? One in all is needed as well."""
        return self._busy[device] < self.per_device

    def see(self, number: int, job: Job) -> None:
        """Take notice of a job as it is now."""
        self.free(number)
        if job.state in ACTIVE:
            devices = devices_of(job)
            self._active[number] = devices
            self._busy.update(devices)

    def free(self, number: int) -> None:
        self._busy.subtract(self._active.pop(number, ()))


def devices_of(job: Job) -> frozenset[str]:
    return frozenset(node.device for node in job.nodes if node.device)
