"""Every hostile image gets a typed error or the right bytes, soon and cheaply."""

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import process_time

import pytest

from longshored.block.extent import Data
from longshored.block.node import pread
from longshored.block.qcow2.image import Qcow2Node
from longshored.errors import ServiceError
from longshored.units import MiB, pieces
from tests.block.qcow2.hostile import Outcome, Vector, bases
from tests.block.qcow2.hostile_header import header_vectors
from tests.block.qcow2.hostile_tables import table_vectors
from tests.support.qcow2 import opened, qemu_bytes

VECTORS = [*header_vectors(), *table_vectors()]
REFUSED = [v for v in VECTORS if v.outcome in (Outcome.INVALID, Outcome.UNSUPPORTED)]
READ = [v for v in VECTORS if v not in REFUSED]

# What an answer may cost; bytes beside what the process has already.
MAX_SECONDS = 2.0
MAX_BYTES = 128 * MiB


def by_name(vector: Vector) -> str:
    return f"{vector.name} ({vector.base})"


def read_all(node: Qcow2Node) -> str:
    """A hash of all guest bytes, learnt the way a job would."""
    seen = hashlib.sha256()
    for extent in node.extents():
        for start, length in pieces(extent.start, extent.length, 1 * MiB):
            zero = extent.data in (Data.ZERO, Data.UNALLOCATED)
            seen.update(bytes(length) if zero else pread(node, start, length))
    return seen.hexdigest()


def answer(path: Path) -> str:
    """The kind of the error, or what the guest would read."""
    try:
        with opened(path) as node:
            return read_all(node)
    except ServiceError as error:
        return error.kind.value


@contextmanager
def bounded() -> Iterator[None]:
    """No more memory than the limit, and no more time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    used = pages * resource.getpagesize()
    started = process_time()
    resource.setrlimit(resource.RLIMIT_AS, (used + MAX_BYTES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert process_time() - started < MAX_SECONDS


def attempt(vector: Vector, folder: Path) -> str:
    path = vector.write(folder / "hostile.qcow2")
    before = path.read_bytes()
    with bounded():
        found = answer(path)
    assert path.read_bytes() == before, "reading changed the file"
    return found


def test_the_list_is_long_and_no_name_is_used_twice() -> None:
    assert len(VECTORS) >= 150
    assert len({by_name(vector) for vector in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize("vector", REFUSED, ids=by_name)
def test_what_cannot_be_is_refused_with_its_kind(
    vector: Vector, tmp_path: Path
) -> None:
    assert attempt(vector, tmp_path) == vector.outcome.value


@pytest.mark.parametrize("vector", READ, ids=by_name)
def test_what_harms_no_reader_is_read(vector: Vector, tmp_path: Path) -> None:
    found = attempt(vector, tmp_path)
    whole = tmp_path / "whole.qcow2"
    whole.write_bytes(bases()[vector.base].content)
    assert found not in {outcome.value for outcome in Outcome}, "it was refused"
    assert (found == answer(whole)) is (vector.outcome is Outcome.SAME)


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize("vector", READ, ids=by_name)
def test_what_is_read_is_what_qemu_reads(vector: Vector, tmp_path: Path) -> None:
    path = vector.write(tmp_path / "hostile.qcow2")
    theirs = hashlib.sha256(qemu_bytes(path)).hexdigest()
    assert answer(path) == theirs
