"""The power goes at random moments: what no disk had yet is lost, and nothing else.

Store and images lie on a file system that is shut down without its log, and mounted
again; its device has another number then. On XFS the pulls share blocks with the
images below, on ext4 they copy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from longshore.errors import TargetBusy
from longshore.requests import Submit
from longshore.v1 import job_options_pb2, job_pb2, node_pb2
from longshored.units import KiB
from tests.faults.chains import Templates
from tests.faults.process import Daemon, Place
from tests.faults.storm import Storm
from tests.faults.workload import JOB_SECONDS
from tests.support.figures import RecordFigure
from tests.support.filesystems import Filesystem, filesystem

SEEDS = range(2026, 2029)
CUTS = 10

PAUSED = job_pb2.JOB_STATE_PAUSED


pytestmark = [pytest.mark.qemu, pytest.mark.slow]


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


def test_an_image_is_held_under_the_new_number_of_its_disk(
    place: Path, templates: Templates
) -> None:
    slowly = Submit(options=job_options_pb2.JobOptions(speed_bytes_per_second=KiB))
    with filesystem("ext4", place) as disk, a_daemon(place, disk) as daemon:
        chain = templates.copy("raw", daemon.place.images / "raw")
        with daemon.client() as client:
            job = client.pull(chain.top, submit=slowly)
            job.pause()
            before = job.wait(JOB_SECONDS, states=(PAUSED,)).nodes[0]
        assert daemon.stop() == 0
        disk.mount_again()
        daemon.start()
        with daemon.client() as client:
            # No lock speaks for a job that was paused when its daemon went.
            with pytest.raises(TargetBusy, match=job.job_id):
                client.pull(chain.top)
            after = client.job(job.job_id).get().nodes[0]
    assert after.device != before.device
    assert inode(after) == inode(before)
    assert after.identity != before.identity


@contextmanager
def a_daemon(place: Path, disk: Filesystem) -> Iterator[Daemon]:
    daemon = Daemon(Place(place, disk=disk.directory))
    try:
        yield daemon.start()
    finally:
        daemon.kill()


def inode(node: node_pb2.JobNode) -> str:
    return node.identity.split(":")[1]
