"""kill -9 at random moments, by seed; more of it by hand: tests/faults/soak.py."""

from pathlib import Path

import pytest

from tests.faults.chains import Templates
from tests.faults.storm import Storm

CYCLES = 20


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [2026, 7])
def test_nothing_is_lost_or_spoiled_over_random_kills(
    place: Path, templates: Templates, seed: int
) -> None:
    report = Storm(place, templates, seed).run(CYCLES)
    assert report.violations == [], str(report)
