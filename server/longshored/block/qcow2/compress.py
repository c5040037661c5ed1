"""Compressed clusters: one deflate stream or one zstd frame each (facts §4).

Output is bounded by the cluster whatever the input says, and so is the memory
that a frame may ask for.
"""

import zlib
from collections.abc import Callable
from types import ModuleType

from ...units import MiB
from .damage import invalid, unsupported
from .layout import Compression

try:
    import zstandard
except ModuleNotFoundError:  # an optional extra of the package
    ZSTANDARD: ModuleType | None = None
else:
    ZSTANDARD = zstandard

# Raw deflate with a window of 4 KiB.
DEFLATE_WINDOW_BITS = -12
# A frame of at most 2 MiB never needs more; a hostile one asks for gigabytes.
MAX_ZSTD_WINDOW = 8 * MiB

Inflate = Callable[[bytes, int], bytes]
"""Compressed bytes and the cluster size in, exactly one cluster out."""


def inflater(compression: Compression, zstd: ModuleType | None = ZSTANDARD) -> Inflate:
    """How to inflate the clusters of an image; raises if nothing here can."""
    if compression is Compression.ZLIB:
        return inflate_deflate
    if zstd is None:
        raise unsupported(
            "compression type zstd",
            "zstd images need the Python package zstandard, which is not installed",
            package="zstandard",
        )
    return inflate_zstd


def inflate_deflate(data: bytes, cluster_size: int) -> bytes:
    stream = zlib.decompressobj(DEFLATE_WINDOW_BITS)
    try:
        cluster = stream.decompress(data, cluster_size)
    except zlib.error as error:
        raise _damaged(str(error)) from error
    # The data runs on to the end of its last sector, so what is left over says
    # nothing, and a stream that would give more is cut as QEMU cuts it.
    return _whole(cluster, cluster_size)


def inflate_zstd(data: bytes, cluster_size: int) -> bytes:
    frame = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW)
    try:
        announced = zstandard.frame_content_size(data)
        if announced not in (-1, cluster_size):
            raise _damaged(f"the frame holds {announced} bytes")
        cluster = frame.decompress(data, max_output_size=cluster_size)
    except zstandard.ZstdError as error:
        raise _damaged(str(error)) from error
    return _whole(cluster, cluster_size)


def _whole(cluster: bytes, cluster_size: int) -> bytes:
    if len(cluster) != cluster_size:
        raise _damaged(f"it inflates to {len(cluster)} bytes")
    return cluster


def _damaged(reason: str) -> Exception:
    return invalid(
        "Compressed cluster is damaged", what="compressed cluster", reason=reason
    )
