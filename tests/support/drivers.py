"""Drivers for tests of what is above drivers: one does nothing, one follows a script.

Both are registered under "block.pull" and read a PullSpec, so that no kind
exists only for tests.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from longshored.drivers.base import Context, Plan, Work
from longshored.errors import ServiceError
from longshored.job.nodes import Node, Permission, Role
from longshored.job.spec import ImageRef, PullResult, PullSpec, Spec
from longshored.job.states import Verb

KIND = "block.pull"

VERBS = frozenset(Verb) - {Verb.COMPLETE}

# Between two checkpoints of a work that goes on until it is told to finish: a
# stand-in for a request of real I/O.
REQUEST_SECONDS = 0.002

WRITER = Permission.CONSISTENT_READ | Permission.WRITE
READER = Permission.CONSISTENT_READ


def spec(name: str) -> PullSpec:
    return PullSpec(ImageRef(f"/images/{name}.qcow2", "qcow2"))


def node(name: str, *, reads: bool = False, device: str = "8:0") -> Node:
    """A node that its job writes and others may read at most, or one it reads."""
    return Node(
        key=name,
        role=Role.BASE if reads else Role.TOP,
        uri=f"/images/{name}.qcow2",
        taken=READER if reads else WRITER,
        shared=READER,
        format="qcow2",
        device=device,
    )


RESULT = PullResult(copied_bytes=0, zeroed_bytes=0, skipped_bytes=0)


class Nothing:
    """Works that are done as soon as they begin; jobs that touch nothing."""

    kind = KIND
    verbs = VERBS

    def nodes(self, spec: Spec) -> tuple[Node, ...]:
        return ()

    def identify(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        return tuple(nodes)

    def plan(self, spec: Spec) -> Plan:
        return Plan()

    def start(self, context: Context) -> Work:
        return _NothingWork()


class _NothingWork:
    def run(self) -> None: ...

    def prepare(self) -> None: ...

    def commit(self) -> PullResult:
        return RESULT

    def abort(self) -> None: ...

    def clean(self) -> None: ...


def finish_at_once(context: Context) -> None:
    """A run that has nothing to do."""


def pass_by(context: Context) -> None:
    """A step of a life that has nothing to do."""


Step = Callable[[Context], None]


@dataclass
class Script:
    """What the jobs on one image do. A step may raise; `trouble` is for nodes()."""

    nodes: tuple[Node, ...]
    run: Step = finish_at_once
    start: Step = pass_by
    prepare: Step = pass_by
    commit: Step = pass_by
    abort: Step = pass_by
    trouble: ServiceError | None = None
    plan: Plan = field(default_factory=Plan)
    result: PullResult = RESULT


class Scripted:
    """A driver that does what its scripts say, and notes every call.

    An image without a script gets a work that finishes at once.
    """

    kind = KIND
    verbs = VERBS

    def __init__(self) -> None:
        # Set by tests before jobs are created.
        self.scripts: dict[str, Script] = {}
        # Keys of nodes that are other ones by now.
        self.renamed: dict[str, str] = {}
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._calls: list[tuple[str, str]] = []

    def script(self, name: str, **steps: object) -> Script:
        """Write the script for the jobs on one image."""
        steps.setdefault("nodes", (node(name),))
        script = Script(**steps)  # type: ignore[arg-type]  # fields by keyword
        self.scripts[spec(name).top.uri] = script
        return script

    def calls(self, job_id: str) -> list[str]:
        """What was called for a job, in order."""
        with self._lock:
            return [call for whose, call in self._calls if whose == job_id]

    def order(self, *names: str) -> list[tuple[str, str]]:
        """Calls of these names over all jobs, in order."""
        with self._lock:
            return [one for one in self._calls if one[1] in names]

    def note(self, job_id: str, call: str) -> None:
        with self._lock:
            self._calls.append((job_id, call))

    def nodes(self, spec: Spec) -> tuple[Node, ...]:
        script = self._of(spec)
        self.note(spec.top.uri, "nodes")
        if script.trouble is not None:
            raise script.trouble
        return script.nodes

    def identify(self, nodes: Sequence[Node]) -> tuple[Node, ...]:
        renamed = self.renamed
        return tuple(replace(one, key=renamed.get(one.key, one.key)) for one in nodes)

    def plan(self, spec: Spec) -> Plan:
        return self._of(spec).plan

    def start(self, context: Context) -> Work:
        script = self._of(context.spec)
        self.note(context.job_id, "start")
        script.start(context)
        return _ScriptedWork(self, script, context)

    def _of(self, spec: Spec) -> Script:
        uri = spec.top.uri
        if uri not in self.scripts:
            self.scripts[uri] = Script(nodes=())
        return self.scripts[uri]


class _ScriptedWork:
    def __init__(self, driver: Scripted, script: Script, context: Context) -> None:
        self._driver = driver
        self._script = script
        self._context = context

    def run(self) -> None:
        self._play("run", self._script.run)

    def prepare(self) -> None:
        self._play("prepare", self._script.prepare)

    def commit(self) -> PullResult:
        self._play("commit", self._script.commit)
        return self._script.result

    def abort(self) -> None:
        self._play("abort", self._script.abort)

    def clean(self) -> None:
        self._play("clean", pass_by)

    def _play(self, call: str, step: Step) -> None:
        self._driver.note(self._context.job_id, call)
        step(self._context)


class Steady:
    """A run that makes checkpoints until it is told to finish."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.finish = threading.Event()

    def __call__(self, context: Context) -> None:
        self.begun.set()
        while not self.finish.wait(REQUEST_SECONDS):
            context.checkpoint()


class Gate:
    """A step that waits, deaf to everything, until it is let through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, context: Context) -> None:
        self.reached.set()
        assert self.open.wait(30), "nobody opened the gate"


def raising(error: Exception) -> Step:
    """A step that fails."""

    def step(_: Context) -> None:
        raise error

    return step


def in_turn(*steps: Step) -> Step:
    """A different step each time; the last one for ever."""
    left: Sequence[Step] = list(steps)
    times = iter(range(1 << 30))

    def step(context: Context) -> None:
        left[min(next(times), len(left) - 1)](context)

    return step
