"""Plays a scenario with one driver: its steps, in order, until one misses."""

import tempfile
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from .daemonstage import DaemonStage, ProcessStage, TlsStage
from .expect import filled, misses, taken
from .fakestage import FakeStage
from .process import DriverFailure, Process
from .scenario import Scenario
from .stage import Fields, Stage, opened

# How long an op or a move may take, if the step does not say: never how long it does.
STEP_SECONDS = 20.0

STAGES: dict[str, type[Stage]] = {
    "none": Stage,
    "fake": FakeStage,
    "daemon": DaemonStage,
    "process": ProcessStage,
    "daemon-tls": TlsStage,
    "daemon-mtls": TlsStage,
}

VERBS = ("do", "send", "receive", "fake", "daemon")

# Not fields of the op, but of the step.
_OURS = {*VERBS, "ok", "error", "save", "took", "limit"}

_CLIENT_OPS_WITHOUT = {"hello", "parse", "format", "nonsense"}


class Missed(Exception):
    """A step did not do what the scenario expects."""


@dataclass
class Play:
    """One driver in one scenario, with the names that its steps have saved."""

    scenario: Scenario
    process: Process
    stage: Stage
    names: Fields
    # Ops sent and not answered yet.
    pending: deque[int] = field(default_factory=deque)
    # What has to be closed at the end.
    clients: list[str] = field(default_factory=list)

    def run(self) -> None:
        if self.scenario.connect is not None:
            self._step(0, {"do": "connect", **self.scenario.connect})
        for number, step in enumerate(self.scenario.steps, 1):
            self._step(number, step)
        for client in list(self.clients):
            self._step(0, {"do": "close", "client": client})

    def _step(self, number: int, step: Fields) -> None:
        step = filled(step, self.names | self.stage.names)
        try:
            self._do(step)
        except (Missed, DriverFailure) as error:
            raise Missed(f"step {number} ({_title(step)}): {error}") from error
        except (AssertionError, grpc.RpcError, OSError) as error:
            raise Missed(f"step {number} ({_title(step)}): {error!r}") from error

    def _do(self, step: Fields) -> None:
        limit = step.get("limit", STEP_SECONDS)
        fields = {key: value for key, value in step.items() if key not in _OURS}
        began = time.monotonic()
        match step:
            case {"fake": verb} | {"daemon": verb}:
                # A job may have an error: a move answers none.
                fields |= {"error": step.pop("error")} if "error" in step else {}
                self._judge(step, {"ok": self.stage.move(verb, fields)})
            case {"do": op}:
                self._send(op, fields)
                self._receive(step, limit, began)
            case {"send": op}:
                self._send(op, fields)
            case _:
                self._receive(step, limit, began)

    def _send(self, op: str, fields: Fields) -> None:
        self.pending.append(self.process.send(self._whole(op, fields)))

    def _whole(self, op: str, fields: Fields) -> Fields:
        """With what a scenario need not say: which client, which watch, where."""
        if op not in _CLIENT_OPS_WITHOUT:
            fields.setdefault("client", "c")
        if op.startswith("watch_") and op != "watch_take":
            fields.setdefault("watch", "w")
        if op == "connect":
            fields |= fields.pop("credentials", {})
            if self.scenario.environment is None:
                fields.setdefault("address", self.stage.names.get("address"))
            self.clients.append(fields["client"])
        if op == "close" and fields["client"] in self.clients:
            self.clients.remove(fields["client"])
        # An explicit null takes a default away, except where it is a value.
        keeps_null = {"bytes_per_second"}
        given = {k: v for k, v in fields.items() if v is not None or k in keeps_null}
        return {"op": op, **given}

    def _receive(self, step: Fields, limit: float, began: float) -> None:
        answer = self.process.receive(self.pending.popleft(), limit)
        if "error" in answer and step.get("do") == "connect":
            self.clients.pop()
        self._judge(step, {**answer, "took": time.monotonic() - began})

    def _judge(self, step: Fields, answer: Fields) -> None:
        wished = "error" if "error" in step else "ok"
        if wished not in answer:
            raise Missed(f"answered {_short(answer)}")
        wrong = list(misses(step.get(wished) or {}, answer[wished]))
        if "took" in step:
            wrong += misses(step["took"], answer["took"], "the time")
        if wrong:
            raise Missed("; ".join(wrong)[:2000])
        for name, path in step.get("save", {}).items():
            self.names[name] = taken(path, answer[wished])


StartDriver = Callable[[dict[str, str] | None], Process]


def play(scenario: Scenario, driver: StartDriver) -> None:
    """Raises Missed, with the step and what was wrong there."""
    for row in scenario.each:
        with tempfile.TemporaryDirectory(prefix="longshore-") as directory:
            stage = STAGES[scenario.server](Path(directory), scenario)
            with opened(stage):
                try:
                    environment = filled(scenario.environment, row | stage.names)
                    Play(scenario, driver(environment), stage, dict(row)).run()
                except Missed as error:
                    raise Missed(f"{_row(row)}{error}") from None


def _row(row: Fields) -> str:
    return f"with {row}: " if row else ""


def _title(step: Fields) -> str:
    verb = next(key for key in VERBS if key in step)
    return f"{verb} {step[verb]}"


def _short(answer: Fields) -> str:
    text = repr(answer)
    return text if len(text) < 600 else f"{text[:600]}…"
