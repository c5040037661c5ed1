"""ImageService: what images are, where their bytes lie, and making empty ones."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from longshore.v1 import image_pb2, node_pb2
from longshore.v1 import image_service_pb2 as pb

from ..block.describe import ImageFacts, describe, open_unlocked
from ..block.links import ImageRef
from ..block.open import Format, parse_format
from ..block.qcow2.create import CreateOptions
from ..block.qcow2.layout import Compression
from ..block.roots import Roots
from ..block.uri import parse_uri
from ..errors import ServiceError, field_invalid
from ..scheduler.newjob import Caller
from . import checks, enums
from .crossing import Crossing
from .newimage import NewImage, make_image
from .pages import Pages, Place
from .translate_image import (
    COMPRESSIONS,
    extent_to_proto,
    holder_to_proto,
    image_to_proto,
)
from .translate_spec import LONGEST_CHAIN

DEFAULT_EXTENTS = 1000
MOST_EXTENTS = 10_000

Refs = tuple[ImageRef, ...]


class ImageService:
    """The methods of the contract without a transport."""

    def __init__(
        self,
        *,
        roots: Roots,
        holders: Callable[[str], list[str]],
        pages: Pages,
        threads: Crossing,
    ) -> None:
        """`holders` names the jobs that hold a node, by its identity."""
        self._roots = roots
        self._holders = holders
        self._pages = pages
        self._threads = threads

    async def GetImage(
        self, request: pb.GetImageRequest, caller: Caller
    ) -> pb.GetImageResponse:
        image = image_ref("image", request.image)
        declared = image_refs("backing_chain", request.backing_chain)
        return pb.GetImageResponse(
            image=await self._threads.call(self._image, image, declared)
        )

    async def MapImage(
        self, request: pb.MapImageRequest, caller: Caller
    ) -> pb.MapImageResponse:
        checks.not_negative("page_size", request.page_size)
        size = min(request.page_size or DEFAULT_EXTENTS, MOST_EXTENTS)
        image = image_ref("image", request.image)
        declared = image_refs("backing_chain", request.backing_chain)
        key = repr((image, declared)).encode()
        start = 0
        if request.page_token:
            start = self._pages.open(request.page_token, key).after
        return await self._threads.call(self._map, image, declared, start, size, key)

    async def CreateImage(
        self, request: pb.CreateImageRequest, caller: Caller
    ) -> pb.CreateImageResponse:
        new = new_image(request)
        await self._threads.call(make_image, self._roots, new)
        declared: Refs = ()
        if new.backing is not None and new.backing_chain:
            declared = (new.backing, *new.backing_chain)
        return pb.CreateImageResponse(
            image=await self._threads.call(self._image, new.image, declared)
        )

    def _image(self, image: ImageRef, declared: Refs) -> image_pb2.Image:
        facts = describe(self._roots, image, declared=declared)
        if facts.fault is not None:
            raise facts.fault
        return image_to_proto(facts, self._who_holds(facts))

    def _who_holds(self, facts: ImageFacts) -> Iterator[node_pb2.Holder]:
        uris = {link.identity: link.uri for link in facts.links}
        for holder in facts.holders.holders:
            jobs = self._holders(str(holder.identity))
            yield holder_to_proto(holder, uris[holder.identity], jobs)

    def _map(
        self, image: ImageRef, declared: Refs, start: int, size: int, key: bytes
    ) -> pb.MapImageResponse:
        chain = open_unlocked(self._roots, image, declared=declared)
        try:
            if start >= chain.size:
                return pb.MapImageResponse()
            shown = list(islice(chain.map(start), size))
        finally:
            chain.close()
        answer = pb.MapImageResponse(
            extents=[extent_to_proto(extent) for extent in shown]
        )
        if shown and shown[-1].end < chain.size:
            answer.next_page_token = self._pages.seal(Place(0, shown[-1].end), key)
        return answer


def image_ref(field: str, message: image_pb2.ImageRef) -> ImageRef:
    """The image that a field names; the error names the field."""
    if not message.uri:
        raise field_invalid(
            f"{field}.uri", "Required: an absolute path or a file:// URI"
        )
    if not message.format:
        raise field_invalid(f"{field}.format", "Required: raw or qcow2")
    return ImageRef(image_path(f"{field}.uri", message.uri), _format(field, message))


def image_refs(field: str, messages: Sequence[image_pb2.ImageRef]) -> Refs:
    """A declared chain; where headers name the formats it may leave them out."""
    checks.at_most(field, len(messages), LONGEST_CHAIN)
    return tuple(
        ImageRef(image_path(f"{field}[{index}].uri", one.uri), one.format or None)
        for index, one in enumerate(messages)
    )


def image_path(field: str, uri: str) -> str:
    """The path that a field names; the error names the field."""
    try:
        return parse_uri(uri).path
    except ServiceError as error:
        if not error.violations:
            raise
        facts = {key: fact for key, fact in error.facts.items() if key != "first_field"}
        raise field_invalid(field, error.violations[0].description, **facts) from error


def _format(field: str, message: image_pb2.ImageRef) -> str:
    return parse_format(message.format, message.uri).value


def new_image(request: pb.CreateImageRequest) -> NewImage:
    image = image_ref("image", request.image)
    format_ = Format(image.format)
    backing = None
    if request.HasField("backing"):
        backing = image_ref("backing", request.backing)
    if format_ is Format.RAW and (backing or request.HasField("qcow2")):
        raise field_invalid(
            "image.format", "Must be qcow2: raw has no backing, no options"
        )
    size = None
    if request.HasField("virtual_size_bytes"):
        size = request.virtual_size_bytes
    return NewImage(
        image=image,
        format=format_,
        size=size,
        backing=backing,
        backing_chain=image_refs("backing_chain", request.backing_chain),
        options=_options(request.qcow2),
    )


def _options(message: image_pb2.Qcow2Options) -> CreateOptions:
    defaults = CreateOptions(size=0)

    def given(name: str, default: int) -> int:
        value: int = getattr(message, name)
        return value if message.HasField(name) else default  # type: ignore[arg-type]  # one of three names

    return CreateOptions(
        size=0,
        version=given("version", defaults.version),
        cluster_size=given("cluster_size_bytes", defaults.cluster_size),
        refcount_bits=given("refcount_bits", defaults.refcount_bits),
        compression=enums.member(
            "qcow2.compression_type",
            COMPRESSIONS,
            message.compression_type,
            Compression.ZLIB,
        ),
        extended_l2=message.extended_l2,
        lazy_refcounts=message.lazy_refcounts,
    )
