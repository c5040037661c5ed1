import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.qcow2.compress import (
    Inflate,
    inflate_deflate,
    inflate_zstd,
    inflater,
)
from longshored.block.qcow2.layout import Compression
from longshored.errors import Kind, ServiceError
from tests.support.qcow2 import deflate, half_noise

Squeeze = Callable[[bytes], bytes]

CLUSTER = 65_536
DATA = half_noise(1, CLUSTER)


def zstd(data: bytes, *, write_content_size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=write_content_size).compress(
        data
    )


BOTH = pytest.mark.parametrize(
    ("inflate", "squeeze"), [(inflate_deflate, deflate), (inflate_zstd, zstd)]
)


@BOTH
def test_a_cluster_comes_back_whole(inflate: Inflate, squeeze: Squeeze) -> None:
    assert inflate(squeeze(DATA), CLUSTER) == DATA


@BOTH
def test_what_follows_in_the_last_sector_is_ignored(
    inflate: Inflate, squeeze: Squeeze
) -> None:
    assert inflate(squeeze(DATA) + b"\xaa" * 511, CLUSTER) == DATA


@BOTH
def test_a_stream_that_is_cut_off_is_damage(inflate: Inflate, squeeze: Squeeze) -> None:
    with pytest.raises(ServiceError) as caught:
        inflate(squeeze(DATA)[:-100], CLUSTER)
    assert caught.value.kind is Kind.IMAGE_INVALID


@BOTH
def test_a_stream_that_is_too_short_is_damage(
    inflate: Inflate, squeeze: Squeeze
) -> None:
    with pytest.raises(ServiceError, match="Compressed cluster is damaged"):
        inflate(squeeze(DATA[:-1]), CLUSTER)


@given(st.binary(max_size=200))
def test_noise_raises_only_our_error(data: bytes) -> None:
    for inflate in (inflate_deflate, inflate_zstd):
        with pytest.raises(ServiceError):
            inflate(data, CLUSTER)


def test_a_deflate_stream_that_gives_more_is_cut_at_the_cluster() -> None:
    assert inflate_deflate(deflate(bytes(1 << 24)), CLUSTER) == bytes(CLUSTER)


def test_a_deflate_window_above_4_kib_is_damage() -> None:
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    far = half_noise(3, 30_000) * 2 + bytes(CLUSTER - 60_000)
    with pytest.raises(ServiceError):
        inflate_deflate(stream.compress(far) + stream.flush(), CLUSTER)


def test_a_zstd_frame_that_announces_more_is_damage() -> None:
    with pytest.raises(ServiceError):
        inflate_zstd(zstd(bytes(1 << 24)), CLUSTER)


def test_a_zstd_frame_that_gives_more_unannounced_is_damage() -> None:
    with pytest.raises(ServiceError):
        inflate_zstd(zstd(bytes(1 << 24), write_content_size=False), CLUSTER)


def test_a_zstd_window_of_gigabytes_is_refused() -> None:
    # Frame header: no content size, window descriptor 2^41; then one empty block.
    frame = b"\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00"
    with pytest.raises(ServiceError):
        inflate_zstd(frame, CLUSTER)


def test_a_zstd_image_without_zstandard_names_the_package() -> None:
    with pytest.raises(ServiceError) as caught:
        inflater(Compression.ZSTD, zstd=None)
    assert caught.value.kind is Kind.IMAGE_UNSUPPORTED
    assert caught.value.facts["package"] == "zstandard"


def test_deflate_needs_no_package() -> None:
    assert inflater(Compression.ZLIB, zstd=None) is inflate_deflate
