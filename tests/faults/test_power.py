"""The power goes at random moments: what no disk had yet is lost, and nothing else.

Store and images lie on a file system that is shut down without its log, and mounted
again. On XFS the pulls share blocks with the images below, on ext4 they copy.
"""

from pathlib import Path

import pytest

from tests.faults.chains import Templates
from tests.faults.storm import Storm
from tests.support.figures import RecordFigure
from tests.support.filesystems import filesystem

SEEDS = range(2026, 2029)
CUTS = 10


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["xfs", "ext4"])
@pytest.mark.parametrize("seed", SEEDS)
def test_what_was_promised_outlives_the_power(
    place: Path,
    templates: Templates,
    record_figure: RecordFigure,
    kind: str,
    seed: int,
) -> None:
    with filesystem(kind, place) as disk:
        report = Storm(place, templates, seed, disk).run(CUTS)
    record_figure(f"{kind}, cuts of power: {report}")
    assert report.violations == [], str(report)
