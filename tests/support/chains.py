"""Chains on disk for tests: made from pictures, spoiled on purpose, opened."""

from pathlib import Path
from typing import Protocol

import pytest

from longshored.block.chain import Chain
from longshored.block.locks import READER, LockRow
from longshored.block.node import Mode
from longshored.block.qcow2.create import CreateOptions
from longshored.errors import ServiceError
from longshored.units import KiB
from tests.support.nodes import new_qcow2, raw_file
from tests.support.pictures import BLOCK, draw


class Opener(Protocol):
    """Opens the chain below a file of the test's directory."""

    def __call__(
        self,
        name: str,
        format_: str | None = "qcow2",
        *,
        mode: Mode = Mode.READ,
        row: LockRow = READER,
        declared: tuple[tuple[str, str | None], ...] = (),
    ) -> Chain: ...


def make(
    directory: Path,
    name: str,
    picture: str,
    backing: str | None = None,
    backing_format: str | None = None,
) -> None:
    """A qcow2 image of a picture; a '.raw' name makes a raw one."""
    if name.endswith(".raw"):
        file = raw_file(directory / name)
        file.truncate(len(picture) * BLOCK)
        draw(file, picture)
        file.close()
        return
    options = CreateOptions(
        len(picture) * BLOCK, backing_file=backing, backing_format=backing_format
    )
    node = new_qcow2(directory / name, options)
    draw(node, picture)
    node.close()


def make_three(directory: Path) -> None:
    """top.qcow2 on mid.qcow2 on base.raw, six blocks each."""
    make(directory, "base.raw", "ABC-E-")
    make(directory, "mid.qcow2", "-X0---", "base.raw", "raw")
    make(directory, "top.qcow2", "---Y-0", "mid.qcow2", "qcow2")


def make_deep(directory: Path, depth: int) -> None:
    """Images '1' … depth, each on the one before it; '1' on 0.raw, one block 'A'."""
    make(directory, "0.raw", "A")
    for index in range(1, depth + 1):
        first = index == 1
        options = CreateOptions(
            BLOCK,
            cluster_size=4 * KiB,
            backing_file="0.raw" if first else str(index - 1),
            backing_format="raw" if first else "qcow2",
        )
        new_qcow2(directory / str(index), options).close()


def plant(image: Path, name: str, format_: str | None) -> None:
    """Write a backing name and format into the header of an image, unchecked."""
    encoded = name.encode(errors="surrogateescape")
    written = (format_ or "").encode()
    extension = (
        (0xE2792ACA if format_ else 0).to_bytes(4, "big")
        + len(written).to_bytes(4, "big")
        + written.ljust(-(-len(written) // 8) * 8, b"\0")
    )
    with image.open("r+b") as file:
        file.seek(8)
        file.write((4096).to_bytes(8, "big") + len(encoded).to_bytes(4, "big"))
        file.seek(112)
        file.write(extension + bytes(8))
        file.seek(4096)
        file.write(encoded)


def read(chain: Chain) -> bytes:
    """Everything that the chain shows."""
    buffer = bytearray(chain.size)
    chain.readinto(0, memoryview(buffer))
    return bytes(buffer)


def refused(
    opener: Opener,
    name: str,
    format_: str | None = "qcow2",
    *,
    mode: Mode = Mode.READ,
    row: LockRow = READER,
    declared: tuple[tuple[str, str | None], ...] = (),
) -> ServiceError:
    """The error of an opening that must fail."""
    with pytest.raises(ServiceError) as caught:
        opener(name, format_, mode=mode, row=row, declared=declared)
    return caught.value
