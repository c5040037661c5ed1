"""Fixtures of the block tests: one root, and chains that are closed at the end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from longshored.block.chain import Chain, open_chain
from longshored.block.links import ImageRef
from longshored.block.locks import READER, LockRow
from longshored.block.node import Mode
from longshored.block.roots import Roots
from tests.support.chains import Opener


@pytest.fixture
def roots(tmp_path: Path) -> Iterator[Roots]:
    """The directory of the test as the only root."""
    opened = Roots.open([str(tmp_path)])
    yield opened
    opened.close()


@pytest.fixture
def opener(roots: Roots, tmp_path: Path) -> Iterator[Opener]:
    chains: list[Chain] = []

    def opened(
        name: str,
        format_: str | None = "qcow2",
        *,
        mode: Mode = Mode.READ,
        row: LockRow = READER,
        declared: tuple[tuple[str, str | None], ...] = (),
    ) -> Chain:
        refs = [ImageRef(str(tmp_path / path), kind) for path, kind in declared]
        top = ImageRef(str(tmp_path / name), format_)
        chains.append(open_chain(roots, top, mode=mode, row=row, declared=refs))
        return chains[-1]

    yield opened
    for chain in chains:
        chain.close()
