"""kill -9 at random moments: 200 in all, by seeds that share them.

For longer, and by other seeds: tests/faults/soak.py.
"""

from pathlib import Path

import pytest

from tests.faults.chains import Templates
from tests.faults.storm import Storm
from tests.support.figures import RecordFigure

SEEDS = range(2026, 2046)
KILLS = 200 // len(SEEDS)


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_or_spoiled_over_random_kills(
    place: Path, templates: Templates, record_figure: RecordFigure, seed: int
) -> None:
    report = Storm(place, templates, seed).run(KILLS)
    record_figure(str(report))
    assert report.violations == [], str(report)
