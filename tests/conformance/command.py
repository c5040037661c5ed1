"""The command line: what is run, what is said about it."""

import argparse
import sys
import time
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import NoReturn

import structlog

from .built import built
from .languages import LANGUAGES
from .matrix import Matrix, store
from .runner import Verdict, run_all
from .scenario import Scenario, load


def silence(*line: object) -> NoReturn:
    """What daemons in this process would log."""
    raise structlog.DropEvent


def main() -> int:
    structlog.configure(processors=[silence])
    arguments = _parser().parse_args()
    scenarios = _chosen(arguments.scenario)
    languages = [LANGUAGES[name] for name in arguments.client] or built()
    began = time.monotonic()
    verdicts = list(_told(run_all(languages, scenarios), verbose=arguments.verbose))
    matrix = Matrix(verdicts)
    say(matrix.text())
    if arguments.matrix:
        store(matrix)
    bad = sum(not verdict.is_good for verdict in verdicts)
    good = len(verdicts) - bad
    say(f"{good} passed, {bad} failed in {time.monotonic() - began:.1f} s")
    return bool(bad) or not verdicts


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "tests.conformance", description="Every scenario with every client."
    )
    parser.add_argument(
        "--client", nargs="+", default=[], choices=LANGUAGES, help="only these"
    )
    parser.add_argument(
        "--scenario",
        nargs="+",
        default=["*"],
        help="only these; * and ? are taken",
    )
    parser.add_argument(
        "--matrix", action="store_true", help="keep the matrix in docs/clients.md"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="a line for what passes, too"
    )
    return parser


def _chosen(patterns: list[str]) -> list[Scenario]:
    def is_meant(scenario: Scenario) -> bool:
        names = (scenario.name, scenario.family)
        return any(fnmatch(name, each) for name in names for each in patterns)

    return [scenario for scenario in load() if is_meant(scenario)]


def _told(verdicts: Iterator[Verdict], *, verbose: bool) -> Iterator[Verdict]:
    for verdict in verdicts:
        title = f"{verdict.language} {verdict.scenario}"
        if not verdict.is_good:
            say(f"✗ {title}: {verdict.why}")
        elif verbose:
            say(f"✓ {title} ({verdict.seconds:.2f} s)")
        yield verdict


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
