"""Named places where a test may kill, fail or delay the daemon.

Inert unless switched on: the environment variable LONGSHORE_FAILPOINTS holds
rules, separated by semicolons: `name=kill`, `name=error:ENOSPC`,
`name=sleep:0.1`. A rule that ends in `@3` acts on the third time only that its
place is reached.
"""

import errno
import os
import signal
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass

from ..drivers.base import FailPoint

VARIABLE = "LONGSHORE_FAILPOINTS"

FAIL_POINTS = (
    "job.creating",
    "job.starting",
    "job.opened",
    "job.saving",
    "job.saved",
    "job.parking",
    "job.worked",
    "job.prepared",
    "job.committed",
    "job.cleaned",
    "job.ended",
    "job.aborted",
    "job.unwound",
    "group.prepared",
    "group.committed",
    "recover.adopting",
    "recover.adopted",
    "drain.stopping",
)
"""Every place of the scheduler that matters for recovery."""


def inert(name: str) -> None:
    """The fail point of a daemon that nobody tests."""


@dataclass(frozen=True, slots=True)
class Rule:
    action: str  # kill, error, sleep
    value: str = ""
    nth: int | None = None  # None: every time


class FailPoints:
    """A FailPoint that follows rules. Safe for threads."""

    def __init__(self, rules: dict[str, Rule]) -> None:
        # Set once.
        self.rules = rules
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._reached: dict[str, int] = {}

    def __call__(self, name: str) -> None:
        rule = self.rules.get(name)
        if rule is None:
            return
        with self._lock:
            count = self._reached[name] = self._reached.get(name, 0) + 1
        if rule.nth in (None, count):
            _act(rule, name)


def parse(text: str, known: Collection[str]) -> FailPoint:
    """The fail point that a setting asks for; ValueError names a rule that is wrong."""
    rules = dict(_parse_rule(part.strip(), known) for part in text.split(";") if part)
    return FailPoints(rules) if rules else inert


def _parse_rule(text: str, known: Collection[str]) -> tuple[str, Rule]:
    name, _, wish = text.partition("=")
    if name not in known:
        raise ValueError(
            f"No fail point {name!r}; there are {', '.join(sorted(known))}"
        )
    wish, _, nth = wish.partition("@")
    action, _, value = wish.partition(":")
    rule = Rule(action, value, int(nth) if nth else None)
    if not _is_sound(rule):
        raise ValueError(f"Fail point {name}: kill, error:ERRNO or sleep:SECONDS")
    return name, rule


def _is_sound(rule: Rule) -> bool:
    match rule.action:
        case "kill":
            return not rule.value
        case "error":
            return rule.value in errno.errorcode.values()
        case "sleep":
            return rule.value.replace(".", "", 1).isdigit()
        case _:
            return False


def _act(rule: Rule, name: str) -> None:
    match rule.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            time.sleep(float(rule.value))
        case _:
            code = getattr(errno, rule.value)
            raise OSError(code, f"Fail point {name}: {os.strerror(code)}")
