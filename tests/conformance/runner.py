"""Runs scenarios with one language after the other; a new driver after a crash."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .languages import Language, known_failing
from .play import Missed, play
from .process import Process
from .scenario import Scenario


@dataclass(frozen=True, slots=True)
class Verdict:
    """One cell of the matrix."""

    language: str
    scenario: str
    complaint: str  # empty: passed
    is_known: bool
    seconds: float

    @property
    def is_good(self) -> bool:
        """Passed, or failed as it is known to."""
        return bool(self.complaint) == self.is_known

    @property
    def why(self) -> str:
        return self.complaint or "it is listed in known-failing.txt, and passes"


class Runner:
    """One language; its driver is started when it is first needed."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._known = known_failing()
        self._process: Process | None = None

    def close(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def run(self, scenario: Scenario) -> Verdict:
        began = time.monotonic()
        complaint = self._complaint(scenario)
        return Verdict(
            self.language.name,
            scenario.name,
            complaint,
            (self.language.name, scenario.name) in self._known,
            time.monotonic() - began,
        )

    def _complaint(self, scenario: Scenario) -> str:
        try:
            play(scenario, self._driver)
        except Missed as error:
            return f"{error}{self._give_up()}"
        if scenario.environment is not None:
            self.close()
        return ""

    def _driver(self, environment: dict[str, str] | None) -> Process:
        """That of the scenario before, unless this one wants an environment."""
        if environment is not None:
            self.close()
        if self._process is None:
            self._process = self.language.start(environment)
        return self._process

    def _give_up(self) -> str:
        """Whatever the driver still waits for must not spoil the next scenario."""
        if self._process is None:
            return ""
        self._process.kill()
        said = self._process.tail()
        self.close()
        return said


def run_all(
    languages: Iterable[Language], scenarios: Iterable[Scenario]
) -> Iterator[Verdict]:
    scenarios = tuple(scenarios)
    for language in languages:
        runner = Runner(language)
        try:
            for scenario in scenarios:
                yield runner.run(scenario)
        finally:
            runner.close()
