"""Sizes in bytes and the arithmetic of aligned ranges."""

from collections.abc import Iterator

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB
TiB = 1024 * GiB

SECTOR = 512


def round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def round_down(value: int, step: int) -> int:
    return value // step * step


def is_aligned(value: int, step: int) -> bool:
    return value % step == 0


def pieces(start: int, length: int, largest: int) -> Iterator[tuple[int, int]]:
    """Cut a range into (start, length) pieces of at most `largest` bytes."""
    end = start + length
    while start < end:
        step = min(largest, end - start)
        yield start, step
        start += step
