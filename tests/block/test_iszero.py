"""Zero detection: whole buffers and runs inside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.iszero import is_zero, zero_runs


@pytest.mark.parametrize("length", [0, 1, 2, 7, 8, 9, 4096, 32768, 32769, 1 << 20])
def test_zeros_of_any_length_are_zero(length: int) -> None:
    assert is_zero(bytes(length))


@pytest.mark.parametrize("length", [1, 2, 8, 9, 4097, 32769, 1 << 20])
@pytest.mark.parametrize("where", [0, 0.5, 1])
def test_one_byte_anywhere_is_found(length: int, where: float) -> None:
    buffer = bytearray(length)
    buffer[int(where * (length - 1))] = 1
    assert not is_zero(buffer)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_accepted(kind: type) -> None:
    assert is_zero(kind(bytes(100)))
    assert not is_zero(kind(b"\0" * 99 + b"x"))


def test_only_the_slice_counts() -> None:
    assert is_zero(memoryview(b"x" + bytes(70000) + b"x")[1:-1])


def test_a_buffer_with_gaps_is_refused() -> None:
    with pytest.raises(BufferError):
        is_zero(memoryview(bytes(10))[::2])


def test_the_buffer_is_free_again_afterwards() -> None:
    buffer = bytearray(10)
    is_zero(buffer)
    buffer.append(1)  # would raise BufferError while a view is held
    assert len(buffer) == 11


def test_runs_are_cut_at_the_granularity() -> None:
    buffer = bytes(8) + b"xxxx" + bytes(2)
    assert list(zero_runs(buffer, 4)) == [(0, 8, True), (8, 4, False), (12, 2, True)]


def test_an_empty_buffer_has_no_runs() -> None:
    assert list(zero_runs(b"", 4096)) == []


@given(
    st.lists(st.sampled_from([b"\0", b"x"]), max_size=40).map(b"".join),
    st.integers(1, 9),
)
def test_runs_cover_the_buffer_and_tell_the_truth(
    buffer: bytes, granularity: int
) -> None:
    runs = list(zero_runs(buffer, granularity))
    assert b"".join(buffer[r.offset : r.offset + r.length] for r in runs) == buffer
    for run in runs:
        part = buffer[run.offset : run.offset + run.length]
        pieces = [
            part[at : at + granularity] for at in range(0, len(part), granularity)
        ]
        assert all((not any(piece)) == run.zero for piece in pieces)
