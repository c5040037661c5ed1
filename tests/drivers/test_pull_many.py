"""A base in very many pieces: what a plan costs follows them in time, not in memory."""

import os
import tracemalloc
from pathlib import Path

import pytest

from longshored.block.qcow2.create import CreateOptions
from longshored.drivers.pull_batches import MEASURED
from longshored.units import KiB, MiB
from tests.support.nodes import new_qcow2
from tests.support.pulls import Puller
from tests.support.verdict import report, visible

pytestmark = pytest.mark.slow

CLUSTER = 64 * KiB
PIECE = 4 * KiB

FEW, MANY = 1_000, 8_000


def scattered(directory: Path, pieces: int, step: int = 2 * CLUSTER) -> Puller:
    """A top over a raw base with so many pieces of data, and a hole behind each."""
    directory.mkdir()
    with (directory / "base.raw").open("wb") as base:
        base.truncate(pieces * step)
        for index in range(pieces):
            os.pwrite(base.fileno(), b"x" * PIECE, index * step)
    options = CreateOptions(
        pieces * step,
        cluster_size=CLUSTER,
        backing_file="base.raw",
        backing_format="raw",
    )
    new_qcow2(directory / "top.qcow2", options).close()
    return Puller(directory, MEASURED)


def peak_of_a_plan(puller: Puller) -> int:
    tracemalloc.start()
    try:
        puller.driver.plan(puller.spec())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_the_memory_of_a_plan_does_not_follow_the_pieces(tmp_path: Path) -> None:
    few = scattered(tmp_path / "few", FEW)
    many = scattered(tmp_path / "many", MANY)
    peak_of_a_plan(few)  # what is made once, whoever asks first
    assert peak_of_a_plan(many) < peak_of_a_plan(few) + 256 * KiB < 8 * MiB
    few.close()
    many.close()


def test_a_plan_counts_the_clusters_that_hold_a_piece(tmp_path: Path) -> None:
    puller = scattered(tmp_path / "images", FEW)
    assert puller.driver.plan(puller.spec()).read == FEW * CLUSTER
    puller.close()


def test_a_pull_of_many_pieces_shows_the_same_bytes(tmp_path: Path) -> None:
    puller = scattered(tmp_path / "images", FEW, 2 * PIECE)
    top = puller.directory / "top.qcow2"
    before = visible(top)
    puller.pull()
    assert visible(top) == before
    assert report(top).clean
    puller.close()
