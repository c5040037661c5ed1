"""ImageService on real files."""

from pathlib import Path

import grpc
import pytest

from longshore.v1 import image_pb2
from longshore.v1 import image_service_pb2 as pb
from longshored.units import KiB, MiB
from tests.support.calls import refusal
from tests.support.daemon import Place, Stubs

Ref = image_pb2.ImageRef


@pytest.fixture
def root(place: Place) -> Path:
    return place.root


def make(stubs: Stubs, path: Path, size: int | None = 4 * MiB, **more: object) -> None:
    request = pb.CreateImageRequest(
        image=Ref(uri=str(path), format=path.suffix[1:]),
        **more,  # type: ignore[arg-type]  # fields of the request
    )
    if size is not None:
        request.virtual_size_bytes = size
    stubs.images.CreateImage(request)


def get(stubs: Stubs, path: Path) -> image_pb2.Image:
    image = Ref(uri=str(path), format=path.suffix[1:])
    return stubs.images.GetImage(pb.GetImageRequest(image=image)).image


def test_a_raw_image_is_made_empty(stubs: Stubs, root: Path) -> None:
    make(stubs, root / "a.raw")
    assert (root / "a.raw").stat().st_size == 4 * MiB
    assert (root / "a.raw").stat().st_blocks == 0


def test_a_qcow2_image_is_made_with_its_options(stubs: Stubs, root: Path) -> None:
    options = image_pb2.Qcow2Options(
        cluster_size_bytes=32 * KiB,
        lazy_refcounts=True,
        refcount_bits=8,
        extended_l2=True,
        compression_type=image_pb2.COMPRESSION_TYPE_ZSTD,
    )
    make(stubs, root / "a.qcow2", qcow2=options)
    image = get(stubs, root / "a.qcow2")
    assert image.uri == f"file://{root}/a.qcow2"
    assert image.virtual_size_bytes == 4 * MiB
    assert image.cluster_size_bytes == 32 * KiB
    assert image.qcow2.lazy_refcounts
    assert image.qcow2.refcount_bits == 8
    assert image.qcow2.extended_l2
    assert image.qcow2.compression_type == image_pb2.COMPRESSION_TYPE_ZSTD
    assert not image.qcow2.dirty


def test_an_overlay_takes_the_size_of_its_backing_image(
    stubs: Stubs, root: Path
) -> None:
    make(stubs, root / "base.raw")
    backing = Ref(uri=f"file://{root}/base.raw", format="raw")
    make(stubs, root / "top.qcow2", None, backing=backing)
    chain = get(stubs, root / "top.qcow2").chain
    assert [link.uri for link in chain] == [
        f"file://{root}/top.qcow2",
        f"file://{root}/base.raw",
    ]
    assert [link.depth for link in chain] == [0, 1]
    assert chain[0].virtual_size_bytes == 4 * MiB
    assert chain[0].backing_name == str(root / "base.raw")
    assert chain[0].backing_format == "raw"


def test_nothing_is_ever_replaced(stubs: Stubs, root: Path) -> None:
    make(stubs, root / "a.raw")
    told = refusal(lambda: make(stubs, root / "a.raw"))
    assert told.code is grpc.StatusCode.ALREADY_EXISTS
    assert told.reason == "TARGET_EXISTS"


@pytest.mark.parametrize(
    ("size", "more", "field"),
    [
        (None, {}, "virtual_size_bytes"),
        (-512, {}, "virtual_size_bytes"),
        (100, {}, "virtual_size_bytes"),
        (512, {"backing": Ref(uri="/x", format="")}, "backing.format"),
        (512, {"backing": Ref(uri="", format="raw")}, "backing.uri"),
        (
            512,
            {"qcow2": image_pb2.Qcow2Options(compression_type=9)},  # type: ignore[arg-type]  # wrong on purpose
            "qcow2.compression_type",
        ),
    ],
)
def test_a_wrong_field_is_named_and_no_file_is_left(
    stubs: Stubs, root: Path, size: int | None, more: dict[str, object], field: str
) -> None:
    told = refusal(lambda: make(stubs, root / "a.qcow2", size, **more))
    assert told.info.metadata["firstField"] == field
    assert not list(root.iterdir())


def test_a_wrong_option_of_qcow2_leaves_no_file(stubs: Stubs, root: Path) -> None:
    options = image_pb2.Qcow2Options(cluster_size_bytes=1000)
    told = refusal(lambda: make(stubs, root / "a.qcow2", qcow2=options))
    assert told.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told.info.metadata["firstField"] == "qcow2.cluster_size_bytes"
    assert not list(root.iterdir())


def test_a_raw_image_has_no_backing(stubs: Stubs, root: Path) -> None:
    backing = Ref(uri=str(root / "x.raw"), format="raw")
    told = refusal(lambda: make(stubs, root / "a.raw", backing=backing))
    assert told.info.metadata["firstField"] == "image.format"


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("/etc/passwd", "PERMISSION_DENIED"),
        ("relative.raw", "FIELD_INVALID"),
        ("/a\nb", "FIELD_INVALID"),
        ("/" + "x" * 5000, "FIELD_INVALID"),
        ("nbd://host/x", "IMAGE_UNSUPPORTED"),
        ("http://host/x", "FIELD_INVALID"),
    ],
    ids=["outside", "relative", "newline", "long", "nbd", "http"],
)
def test_a_name_that_may_not_be_opened_is_refused(
    stubs: Stubs, uri: str, reason: str
) -> None:
    request = pb.GetImageRequest(image=Ref(uri=uri, format="raw"))
    assert refusal(lambda: stubs.images.GetImage(request)).reason == reason


def test_an_image_that_is_not_there_is_named(stubs: Stubs, root: Path) -> None:
    told = refusal(lambda: get(stubs, root / "no.raw"))
    assert told.code is grpc.StatusCode.NOT_FOUND
    assert told.reason == "TARGET_NOT_FOUND"


def test_a_map_tells_where_bytes_are_page_by_page(stubs: Stubs, root: Path) -> None:
    make(stubs, root / "a.raw", 1 * MiB)
    with (root / "a.raw").open("r+b") as file:
        for offset in (0, 256 * KiB, 512 * KiB):
            file.seek(offset)
            file.write(b"x" * 64 * KiB)
    image = Ref(uri=str(root / "a.raw"), format="raw")
    seen: list[image_pb2.MapExtent] = []
    token = ""
    while True:
        request = pb.MapImageRequest(image=image, page_size=2, page_token=token)
        page = stubs.images.MapImage(request)
        assert len(page.extents) <= 2
        seen += page.extents
        token = page.next_page_token
        if not token:
            break
    data = [one.start_bytes for one in seen if one.data == image_pb2.EXTENT_DATA_DATA]
    assert data == [0, 256 * KiB, 512 * KiB]
    assert sum(one.length_bytes for one in seen) == 1 * MiB


def test_a_map_tells_what_no_image_of_the_chain_has(stubs: Stubs, root: Path) -> None:
    make(stubs, root / "a.qcow2", 1 * MiB)
    image = Ref(uri=str(root / "a.qcow2"), format="qcow2")
    (extent,) = stubs.images.MapImage(pb.MapImageRequest(image=image)).extents
    assert extent.data == image_pb2.EXTENT_DATA_UNALLOCATED
    assert extent.depth == 0
    assert not extent.HasField("host_offset_bytes")


def test_a_token_of_another_image_is_refused(stubs: Stubs, root: Path) -> None:
    make(stubs, root / "a.raw")
    image = Ref(uri=str(root / "a.raw"), format="raw")
    request = pb.MapImageRequest(image=image, page_token="A" * 80)
    told = refusal(lambda: stubs.images.MapImage(request))
    assert told.reason == "PAGE_TOKEN_INVALID"
