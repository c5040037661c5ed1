"""Pulls run as the scheduler runs them, with a context that a test can interrupt."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from longshored.block.copy.feed import BatchLimits
from longshored.block.copy.turns import Turns
from longshored.block.roots import Roots
from longshored.drivers.base import Cancelled
from longshored.drivers.meter import Meter
from longshored.drivers.pull import PullDriver
from longshored.drivers.pull_batches import Tuning
from longshored.drivers.pull_work import PullWork
from longshored.errors import ServiceError
from longshored.job.model import Options
from longshored.job.progress import Progress
from longshored.job.spec import ImageRef, PullResult, PullSpec, Status
from tests.support.clock import SteppingClock

# Small batches, so that small images have several; one worker, so that a test
# knows which request comes when; every byte copied, whatever disk a test runs on.
SMALL = Tuning(reflinks=False, workers=1, limits=BatchLimits(length=64 * 1024))

UNLIMITED = 1 << 30


class Crash(BaseException):
    """The process is gone: nothing of it runs any more."""


@dataclass(slots=True)
class Script:
    """What a test does to a running job."""

    chunk: int = UNLIMITED
    # The request, from 1, at which something is wanted, and what checkpoint then does.
    wish_at: int = 0
    at_checkpoint: Callable[[], None] = lambda: None
    fail_at: str = ""
    fail_nth: int = 1
    failure: Callable[[], BaseException] = Crash
    on_stop: Callable[[], None] = lambda: None
    on_checkpoint: Callable[[], None] = lambda: None


@dataclass(slots=True)
class Told:
    """What the job told its context."""

    requests: int = 0
    booked: int = 0
    checkpoints: int = 0
    warnings: list[str] = field(default_factory=list)
    stops: list[tuple[ServiceError, str]] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    statuses: list[Status] = field(default_factory=list)


class ScriptedContext:
    """A real meter, a clock that steps, and the wishes of a script."""

    job_id = "pull-1"
    attempt = 1

    def __init__(
        self,
        spec: PullSpec,
        script: Script,
        options: Options,
        saved: bytes | None = None,
    ) -> None:
        self.spec = spec
        self.options = options
        self.saved = saved
        self.clock = SteppingClock()
        self.meter = Meter(self.clock)
        self.told = Told()
        self._script = script
        self._wanted = False

    def proceed(self, length: int) -> bool:
        self.told.requests += 1
        if self.told.requests == self._script.wish_at:
            self._wanted = True
        if self._wanted:
            return False
        self.told.booked += length
        return True

    def chunk(self, largest: int) -> int:
        return min(largest, self._script.chunk)

    def checkpoint(self) -> None:
        self.told.checkpoints += 1
        self._script.on_checkpoint()
        if self._wanted:
            self._wanted = False
            self._script.at_checkpoint()

    def save(self, state: bytes, status: Status | None = None) -> None:
        self.saved = state
        if status is not None:
            self.told.statuses.append(status)

    def warn(self, text: str, node_uri: str = "") -> None:
        self.told.warnings.append(text)

    def stop_for(self, error: ServiceError, node_key: str) -> None:
        self.told.stops.append((error, node_key))
        self._script.on_stop()

    def fail_point(self, name: str) -> None:
        self.told.passed[name] += 1
        script = self._script
        if name == script.fail_at and self.told.passed[name] == script.fail_nth:
            raise script.failure()


def cancel() -> None:
    raise Cancelled


class Puller:
    """Pulls inside one directory."""

    def __init__(self, directory: Path, tuning: Tuning = SMALL) -> None:
        self.directory = directory
        self.tuning = tuning
        self.roots = Roots.open([str(directory)])
        self.driver = PullDriver(self.roots, Turns(), tuning)
        self.context: ScriptedContext | None = None
        self.saved: bytes | None = None
        # Of the specs to come.
        self.allow_snapshot_loss = False

    def close(self) -> None:
        self.roots.close()

    @property
    def told(self) -> Told:
        """What the present attempt, or the last one, told its context."""
        assert self.context is not None, "nothing was pulled yet"
        return self.context.told

    def progress(self) -> Progress:
        assert self.context is not None, "nothing was pulled yet"
        return self.context.meter.sample()

    def ref(self, name: str) -> ImageRef:
        format_ = "raw" if name.endswith(".raw") else "qcow2"
        return ImageRef(str(self.directory / name), format_)

    def spec(self, top: str = "top.qcow2", base: str | None = None) -> PullSpec:
        return PullSpec(
            self.ref(top),
            None if base is None else self.ref(base),
            allow_snapshot_loss=self.allow_snapshot_loss,
        )

    def pull(
        self,
        top: str = "top.qcow2",
        base: str | None = None,
        *,
        script: Script | None = None,
        options: Options | None = None,
    ) -> PullResult:
        """One attempt, from what the last one saved; raises what it raises."""
        context = ScriptedContext(
            self.spec(top, base), script or Script(), options or Options(), self.saved
        )
        self.context = context
        work = self.driver.start(context)
        try:
            return _finish(work)
        except Crash:
            drop(work)
            raise
        finally:
            self.saved = context.saved
            work.clean()

    def crash(self, at: str, nth: int = 1, base: str | None = None) -> bool:
        """Pull until the process dies at a step; False if it is never passed."""
        script = Script(fail_at=at, fail_nth=nth)
        with suppress(Crash):
            self.pull(base=base, script=script)
        return self.told.passed[at] >= nth


def _finish(work: PullWork) -> PullResult:
    try:
        work.run()
        work.prepare()
    except Exception:
        work.abort()
        raise
    return work.commit()


def drop(work: PullWork) -> None:
    """What the kernel does when the process dies: the files close, no more."""
    for layer in work.chain.layers:
        layer.raw.close()
