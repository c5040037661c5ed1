"""WaitJob: a long poll on the shared log. The state is asked first, then the news."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..errors import Kind, ServiceError
from ..job.model import Job
from ..job.states import State
from ..store.change import ChangeKind
from .selector import of_job
from .watchlog import WatchLog

# Below what proxies allow a silent call; clients ask again.
LONGEST_WAIT = 60.0

Read = Callable[[], Awaitable[Job]]


@dataclass(frozen=True, slots=True)
class Until:
    """What is waited for: the end always, and what is given here."""

    states: frozenset[State] = frozenset()
    after_revision: int = 0

    def is_reached(self, job: Job) -> bool:
        if job.is_final or job.state in self.states:
            return True
        return 0 < self.after_revision < job.revision


class Waiting:
    """One wait for one job.

    It listens before it reads, so no change slips between the two.
    """

    def __init__(self, log: WatchLog, job_id: str, read: Read) -> None:
        self._log = log
        self._job_id = job_id
        self._read = read
        self._news = asyncio.Event()

    def wake(self) -> None:
        self._news.set()

    async def wait(self, until: Until, timeout: float) -> tuple[Job, bool]:
        """The job once `until` is reached, or as it is when time is up."""
        chosen = of_job(self._job_id)
        topic = self._log.join(chosen.key, chosen.query, self)
        self._cursor = self._log.head
        try:
            self._job = await self._read()
            self._reached = until.is_reached(self._job)
            async with asyncio.timeout(timeout):
                while not self._reached:
                    self._check_open()
                    await self._news.wait()
                    self._news.clear()
                    await self._catch_up(topic.key, until)
        except TimeoutError:
            pass
        finally:
            self._log.leave(topic, self)
        return self._job, self._reached

    def _check_open(self) -> None:
        if self._log.closing:
            raise ServiceError(
                Kind.SERVER_STOPPING,
                f"The daemon is going down; job {self._job_id} goes on when it is back",
                job_id=self._job_id,
            )

    async def _catch_up(self, key: bytes, until: Until) -> None:
        changes = self._log.changes_after(key, self._cursor)
        self._cursor = self._log.head
        if changes is None:
            # More has happened than memory holds: only where it led is left.
            self._job = await self._read()
            self._reached = until.is_reached(self._job)
            return
        for change in changes:
            if change.kind is ChangeKind.REMOVED:
                raise _removed(self._job_id)
            if change.job.revision > self._job.revision:
                self._job = change.job
                self._reached = self._reached or until.is_reached(change.job)


def _removed(job_id: str) -> ServiceError:
    return ServiceError(
        Kind.JOB_NOT_FOUND,
        f"Job {job_id} was removed while it was waited for",
        job_id=job_id,
    )
