"""How fast a chain is pulled where the file system shares blocks, against QEMU there.

XFS and Btrfs lie in files of their own on the disk that is measured, and are mounted
by loop devices; QEMU's jobs copy every byte there too. Needs root.
"""

import os

from tests.support.filesystems import MAKERS, filesystem

from .peers import missing
from .pull import SIZE, measure_in
from .report import MiB, Run

KINDS = ("xfs", "btrfs")


def measure(bench: Run) -> None:
    """The row of the bench."""
    if os.geteuid() != 0:
        bench.report.say("reflink is left out: only root may mount XFS and Btrfs")
        return
    if names := missing([MAKERS[kind][0] for kind in KINDS]):
        raise SystemExit(f"Not installed: {', '.join(names)}")
    for kind in KINDS:
        size = 6 * bench.of(SIZE, 64 * MiB)
        with filesystem(kind, bench.directory, size) as disk:
            where = f"pull on {kind}"
            measure_in(disk.directory, bench, device=False, where=where)
        (bench.directory / f"{kind}.disk").unlink()
