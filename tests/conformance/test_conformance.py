"""Every scenario with every client: the Python ones always, the others once built."""

from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from .built import is_left_out
from .languages import LANGUAGES, Language, known_failing, standing
from .report import VERDICT
from .runner import Runner
from .scenario import Scenario, load

SCENARIOS = load()


@pytest.fixture(scope="module", params=standing(), ids=lambda one: one.name)
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    language: Language = request.param
    if is_left_out(language.folder):
        pytest.skip(f"the client of {language.name} is not built: make clients")
    runner = Runner(language)
    yield runner
    runner.close()


@pytest.mark.clients
@pytest.mark.timeout(180)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_conformance(
    runner: Runner,
    scenario: Scenario,
    record_property: Callable[[str, object], None],
) -> None:
    verdict = runner.run(scenario)
    record_property(VERDICT, asdict(verdict))
    assert verdict.is_good, verdict.why


def test_what_is_known_to_fail_exists() -> None:
    names = {scenario.name for scenario in SCENARIOS}
    for language, scenario in known_failing():
        assert language in LANGUAGES
        assert scenario in names
