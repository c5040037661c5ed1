"""What a run prints: how it was measured, the figures, and each goal against them."""

import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

MiB = 1 << 20
GiB = 1 << 30


@dataclass(frozen=True, slots=True)
class Goal:
    """One line of the table at the end."""

    work: str
    goal: str
    measured: str
    reached: bool

    def __str__(self) -> str:
        verdict = "reached" if self.reached else "NOT REACHED"
        return f"{self.work:<46}{self.goal:<26}{self.measured:<30}{verdict}"


@dataclass(slots=True)
class Report:
    """Collects the goals while the figures go out."""

    goals: list[Goal] = field(default_factory=list)

    def title(self, text: str) -> None:
        print(f"\n== {text}", flush=True)

    def say(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def at_least(self, work: str, measured: float, goal: float, unit: str) -> None:
        shown, wanted = f"{measured:.3g}{unit}", f"at least {goal:g}{unit}"
        self._add(Goal(work, wanted, shown, measured >= goal))

    def at_most(self, work: str, measured: float, goal: float, unit: str) -> None:
        shown, wanted = f"{measured:.3g}{unit}", f"at most {goal:g}{unit}"
        self._add(Goal(work, wanted, shown, measured <= goal))

    def _add(self, goal: Goal) -> None:
        self.goals.append(goal)
        print(f"-> {goal}", flush=True)

    def summary(self) -> None:
        print("\n== goals")
        for goal in self.goals:
            print(f"   {goal}")
        missed = sum(not goal.reached for goal in self.goals)
        print(f"   {len(self.goals) - missed} reached, {missed} not")


@dataclass(frozen=True, slots=True)
class Run:
    """How a row is to be measured: where, how much, and where the figures go."""

    directory: Path
    report: Report
    quick: bool = False
    peers: bool = True  # what others take for the same work is measured too

    def of(self, full: int, quick: int) -> int:
        """A size or count: the one of the goal, or a tiny one that shows it works."""
        return quick if self.quick else full


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so many per cent of all do not exceed."""
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 100)
    return ordered[max(0, min(len(ordered), int(rank)) - 1)]


def milliseconds(values: Sequence[float]) -> str:
    """p50, p99 and the worst of times in seconds."""
    middle, tail = statistics.median(values), percentile(values, 99)
    return (
        f"p50 {middle * 1e3:.2f} ms, p99 {tail * 1e3:.2f} ms, "
        f"worst {max(values) * 1e3:.2f} ms of {len(values)}"
    )


def machine(directory: Path) -> str:
    """What it ran on, and what else was going on."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    uname = os.uname()
    return (
        f"{_cpu()}, {os.cpu_count()} CPUs, {pages * size / GiB:.0f} GiB, "
        f"Linux {uname.release}, {_file_system(directory)}; "
        f"load {os.getloadavg()[0]:.1f}; {time.strftime('%Y-%m-%d %H:%M')}"
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return os.uname().machine


def _file_system(directory: Path) -> str:
    """The type of the mount that a directory is on: the longest prefix wins."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    found = [
        (len(point), kind)
        for _, point, kind, *_ in mounts
        if directory.resolve().is_relative_to(point)
    ]
    return max(found)[1]
