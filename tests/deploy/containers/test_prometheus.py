"""A real Prometheus beside the daemon, by the compose file: what it reads and tells."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.containers.podman import PATIENCE, ROOT, Done, run
from tests.deploy.containers.test_compose import Project
from tests.deploy.containers.test_port import free_port

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]

PROMTOOL = ROOT / "build" / "prometheus" / "usr" / "bin" / "promtool"
RULES = ROOT / "deploy" / "prometheus" / "longshore.rules.yml"
CONFIG = ROOT / "deploy" / "compose" / "prometheus.yml"

# Until it is asked again: it reads and evaluates every 15 seconds.
PAUSE = 0.5


def test_its_own_tool_takes_the_rules() -> None:
    run(PROMTOOL, "check", "rules", RULES)


def test_its_own_tool_takes_the_configuration_of_compose(tmp_path: Path) -> None:
    # Side by side, as compose mounts them.
    for file in (RULES, CONFIG):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    said = run(PROMTOOL, "check", "config", tmp_path / CONFIG.name).out
    assert "1 rule files found" in said


class Watched(Project):
    """The project with Prometheus in it."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.port = free_port()

    def compose(self, *words: str) -> Done:
        return run(
            *("podman-compose", "--profile", "metrics"),
            *("-p", self.name, "-f", ROOT / "deploy" / "compose" / "compose.yaml"),
            *words,
            environment={
                "LONGSHORE_IMAGES": str(self.images),
                "PROMETHEUS_IMAGE": "localhost/longshore-prometheus",
                "PROMETHEUS_PORT": str(self.port),
            },
        )

    def ask(self, path: str) -> Any:
        """An answer of its API; None while there is nobody who answers."""
        try:
            url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]
        except OSError:
            return None

    def await_answer(self, path: str, is_there: Callable[[Any], bool]) -> Any:
        """Ask until the answer is what it must become: nothing else tells of it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if (found := self.ask(path)) and is_there(found):
                return found
            time.sleep(PAUSE)
        raise AssertionError((found, self.container("prometheus").log()))

    def await_value(self, query: str) -> str:
        """What a query gives, once it gives anything."""
        path = f"query?{urllib.parse.urlencode({'query': query})}"
        found = self.await_answer(path, lambda answer: bool(answer["result"]))
        return str(found["result"][0]["value"][1])


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    watched = Watched(tmp_path_factory.mktemp("watched"))
    try:
        watched.up()
        yield watched
    finally:
        watched.close()


def test_it_reads_the_daemon_under_the_name_that_the_rules_use(
    watched: Watched,
) -> None:
    assert watched.await_value('up{job="longshore"}') == "1"
    assert watched.await_value("longshore_store_healthy") == "1"


def test_it_evaluates_every_rule_without_an_error(watched: Watched) -> None:
    def is_evaluated(answer: Any) -> bool:
        return all(rule["health"] != "unknown" for rule in answer["groups"][0]["rules"])

    (group,) = watched.await_answer("rules", is_evaluated)["groups"]
    assert len(group["rules"]) == RULES.read_text().count("- alert: ")
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
