"""Images to work on: a base full of random bytes, or a huge one with a little data."""

import os
import random
from pathlib import Path

from .peers import run
from .report import GiB, MiB

NOISE = 64 * MiB


def full_base(path: Path, size: int) -> Path:
    """A raw image without a zero cluster: 64 MiB of noise, again and again; flushed."""
    noise = random.Random(1).randbytes(min(NOISE, size))
    with path.open("wb") as file:
        for _ in range(0, size, len(noise)):
            file.write(noise)
        file.truncate(size)
        os.fsync(file.fileno())
    return path


def sparse_base(path: Path, format_: str, size: int, data: int) -> Path:
    """A huge image with so much data in runs of 1 MiB, evenly spread."""
    count = data // MiB
    run("qemu-img", "create", "-q", "-f", format_, path, str(size))
    step = size // count // MiB * MiB
    script = (f"write -q -P {1 + n % 250} {n * step} 1M" for n in range(count))
    words = [word for command in script for word in ("-c", command)]
    run("qemu-io", "-f", format_, *words, path)
    return path


def gigabytes(length: int) -> str:
    return f"{length / GiB:g} GiB"
