from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.qcow2 import extensions as ext
from longshored.block.qcow2.extensions import BitmapsExtension, Extension, FeatureName
from longshored.block.qcow2.features import FeatureKind, Incompatible, bits_of
from longshored.block.qcow2.layout import (
    V2_LENGTH,
    V3_LENGTH,
    Compression,
    Header,
    decode_header,
    encode_header,
    first_cluster_length,
    l1_entries_for,
    refuse_unsupported,
)
from longshored.errors import Kind, ServiceError

PLAIN = Header(
    version=3,
    cluster_bits=16,
    size=1 << 30,
    l1_entries=2,
    l1_offset=0x30000,
    refcount_table_offset=0x10000,
    refcount_table_clusters=1,
)


def cluster_of(header: Header) -> bytes:
    return encode_header(header).ljust(header.cluster_size, b"\0")


def refusal(cluster: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        decode_header(cluster)
    return caught.value


def unknown_extensions() -> st.SearchStrategy[tuple[Extension, ...]]:
    known = {
        ext.END,
        ext.BACKING_FORMAT,
        ext.FEATURE_NAMES,
        ext.BITMAPS,
        ext.ENCRYPTION,
        ext.DATA_FILE,
    }
    kinds = st.integers(1, 2**32 - 1).filter(lambda kind: kind not in known)
    data = st.binary(max_size=40)
    return st.dictionaries(kinds, data, max_size=4).map(
        lambda found: tuple(Extension(*item) for item in found.items())
    )


letters = st.characters(codec="utf-8", exclude_characters="\0")


@st.composite
def headers(draw: st.DrawFn) -> Header:
    version = draw(st.sampled_from([2, 3]))
    bits = draw(st.sampled_from([9, 10, 12, 13, 14, 16, 18]))
    extended = version == 3 and bits >= 14 and draw(st.booleans())
    span = (1 << bits - (4 if extended else 3)) << bits
    size = draw(st.integers(0, min(span * 4096, 2**63 - 512)))
    entries = l1_entries_for(size, span) + draw(st.integers(0, 3))
    zstd = version == 3 and draw(st.booleans())
    length = draw(st.sampled_from([112, 120, 200])) if version == 3 else V2_LENGTH
    name = draw(st.none() | st.text(letters, max_size=9))
    return Header(
        version=version,
        cluster_bits=bits,
        size=size,
        l1_entries=entries,
        l1_offset=draw(st.integers(1, 2**20)) << bits if entries else 0,
        refcount_table_offset=draw(st.integers(1, 2**20)) << bits,
        refcount_table_clusters=draw(st.integers(1, 4)),
        refcount_order=draw(st.integers(0, 6)) if version == 3 else 4,
        incompatible=(Incompatible.COMPRESSION if zstd else 0)
        | (Incompatible.EXTENDED_L2 if extended else 0),
        compatible=draw(st.integers(0, 2**64 - 1)) if version == 3 else 0,
        autoclear=draw(st.integers(0, 2**64 - 1)) if version == 3 else 0,
        compression=Compression.ZSTD if zstd else Compression.ZLIB,
        header_length=length,
        trailing=draw(st.binary(min_size=length - 105, max_size=length - 105))
        if version == 3
        else b"",
        extensions=draw(unknown_extensions()),
        backing_file=name or None,
    )


@given(headers())
def test_a_header_survives_encoding(header: Header) -> None:
    assert decode_header(cluster_of(header)) == header


@given(st.binary(max_size=600))
def test_noise_behind_the_magic_raises_only_our_error(tail: bytes) -> None:
    with pytest.raises(ServiceError):
        decode_header(b"QFI\xfb" + tail[:16] + b"\0\0\0\x09" + tail[16:])


@given(st.integers(4, 199), st.binary(min_size=1, max_size=8))
def test_a_damaged_header_is_read_or_refused(at: int, damage: bytes) -> None:
    cluster = bytearray(cluster_of(replace(PLAIN, backing_file="base.raw")))
    cluster[at : at + len(damage)] = damage
    with suppress(ServiceError):
        decode_header(bytes(cluster).ljust(1 << 21, b"\0"))


def test_a_v2_header_has_72_bytes_and_16_bit_refcounts() -> None:
    header = replace(PLAIN, version=2, header_length=V2_LENGTH, trailing=b"")
    assert decode_header(cluster_of(header)).refcount_bits == 16
    assert len(encode_header(header)) == V2_LENGTH + 8


def test_a_header_of_104_bytes_means_deflate() -> None:
    header = replace(PLAIN, header_length=V3_LENGTH, trailing=b"")
    assert decode_header(cluster_of(header)).compression is Compression.ZLIB


def test_another_magic_is_not_qcow2() -> None:
    with pytest.raises(ServiceError, match="Not a qcow2 file"):
        first_cluster_length(b"KDMV" + bytes(20))


def test_extensions_end_where_the_backing_name_begins() -> None:
    header = replace(PLAIN, backing_file="base.qcow2")
    assert decode_header(cluster_of(header)).extensions == ()


def test_a_backing_name_that_is_no_utf8_keeps_its_bytes() -> None:
    name = b"b\xffse".decode("utf-8", "surrogateescape")
    header = decode_header(cluster_of(replace(PLAIN, backing_file=name)))
    assert header.backing_file == name


def test_a_backing_name_with_a_nul_is_refused() -> None:
    cluster = cluster_of(replace(PLAIN, backing_file="base.raw"))
    error = refusal(cluster.replace(b"base.raw", b"base\0raw"))
    assert error.facts["what"] == "backing_file_name"


def test_an_unknown_bit_is_refused_by_number() -> None:
    error = refusal(cluster_of(replace(PLAIN, incompatible=1 << 9)))
    assert error.kind is Kind.IMAGE_UNSUPPORTED
    assert error.facts["feature"] == "incompatible bit 9"


def test_an_unknown_bit_is_refused_by_the_name_in_the_image() -> None:
    names = ext.encode_feature_names(
        [FeatureName(FeatureKind.INCOMPATIBLE, 9, "holograms")]
    )
    header = replace(
        PLAIN, incompatible=1 << 9, extensions=(Extension(ext.FEATURE_NAMES, names),)
    )
    assert refusal(cluster_of(header)).facts["feature"] == "holograms"


def test_a_feature_name_cannot_carry_control_characters() -> None:
    data = ext.FEATURE_NAME.pack(0, 9, b"a\x1b[2Jb\n")
    assert ext.decode_feature_names(data)[0].name == "a?[2Jb?"


def test_rows_of_the_name_table_that_name_no_bit_are_passed_over() -> None:
    data = ext.FEATURE_NAME.pack(3, 1, b"kind") + ext.FEATURE_NAME.pack(0, 64, b"bit")
    assert ext.decode_feature_names(data + b"torn row") == ()


@pytest.mark.parametrize(
    ("header", "feature"),
    [
        (replace(PLAIN, crypt_method=1), "encryption (AES)"),
        (replace(PLAIN, crypt_method=2), "encryption (LUKS)"),
        (
            replace(PLAIN, incompatible=Incompatible.DATA_FILE),
            "external data file",
        ),
        (replace(PLAIN, autoclear=2), "raw external data"),
    ],
)
def test_what_is_not_supported_can_be_described_but_not_opened(
    header: Header, feature: str
) -> None:
    decoded = decode_header(cluster_of(header))
    with pytest.raises(ServiceError) as caught:
        refuse_unsupported(decoded)
    assert caught.value.facts["feature"] == feature


def test_an_extension_cannot_appear_twice() -> None:
    twice = (Extension(7, b"a"), Extension(7, b"b"))
    error = refusal(cluster_of(replace(PLAIN, extensions=twice)))
    assert error.message == "Header extension appears twice"


def test_a_header_that_outgrows_its_cluster_cannot_be_encoded() -> None:
    header = replace(PLAIN, cluster_bits=9, backing_file="x" * 500)
    with pytest.raises(ServiceError, match="does not fit"):
        encode_header(header)


def test_the_bitmaps_extension_survives_encoding() -> None:
    bitmaps = BitmapsExtension(3, 96, 0x50000)
    data = ext.encode_bitmaps(bitmaps)
    header = replace(PLAIN, extensions=(Extension(ext.BITMAPS, data),))
    assert decode_header(cluster_of(header)).bitmaps == bitmaps


def test_a_backing_format_of_16_bytes_is_refused() -> None:
    header = replace(PLAIN, extensions=(Extension(ext.BACKING_FORMAT, b"q" * 16),))
    assert refusal(cluster_of(header)).facts["what"] == "backing format length"


def test_bits_are_listed_lowest_first() -> None:
    assert bits_of(1 << 63 | 0b101) == [0, 2, 63]
