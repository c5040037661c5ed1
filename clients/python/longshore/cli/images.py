"""Commands about images: make one, show its chain, map it."""

from collections.abc import Iterator

from ..client import Client
from ..units import format_size
from ..v1 import image_pb2, image_service_pb2
from . import words
from .arguments import Arguments
from .connect import Daemon, image, links
from .exits import CommandError, Exit
from .output import Printer
from .table import Column, Cut

_COMPRESSION = {
    "zlib": image_pb2.COMPRESSION_TYPE_ZLIB,
    "zstd": image_pb2.COMPRESSION_TYPE_ZSTD,
}


def create(args: Arguments) -> Exit:
    if args["size"] is None and args["backing"] is None:
        raise CommandError("how large is it to be? Give --size (or --backing)")
    made_as = format_of(args)
    request = image_service_pb2.CreateImageRequest(
        image=image(args["path"], made_as), backing_chain=links(args)
    )
    if args["size"] is not None:
        request.virtual_size_bytes = args["size"]
    if args["backing"] is not None:
        request.backing.CopyFrom(image(args["backing"], args["backing_format"]))
    options = qcow2_options(args)
    # Of a raw image there are none: the daemon says so to who gives some.
    if made_as == "qcow2" or options.ByteSize():
        request.qcow2.CopyFrom(options)
    with Daemon(args) as daemon:
        made = daemon.create_image(request)
    Printer.of(args).one(made, [link_line(made.chain[0])], name=made.uri)
    return Exit.DONE


# Who names a file so takes it for raw bytes, and so do the programs that are given it.
_RAW_NAMES = (".raw", ".img")


def format_of(args: Arguments) -> str:
    """The format to make: qcow2, unless the name says otherwise and no option does."""
    given: str | None = args["format"]
    if given is None and args["path"].lower().endswith(_RAW_NAMES):
        raise CommandError(
            f"{args['path']} has the name of a raw image: give --format raw, or "
            "--format qcow2 if it is to be qcow2 all the same"
        )
    return given or "qcow2"


def qcow2_options(args: Arguments) -> image_pb2.Qcow2Options:
    made = image_pb2.Qcow2Options(
        lazy_refcounts=args["lazy_refcounts"], extended_l2=args["extended_l2"]
    )
    if args["cluster_size"] is not None:
        made.cluster_size_bytes = args["cluster_size"]
    if args["refcount_bits"] is not None:
        made.refcount_bits = args["refcount_bits"]
    if args["compat"] is not None:
        made.version = 2 if args["compat"] == "0.10" else 3
    if args["compression"] is not None:
        made.compression_type = _COMPRESSION[args["compression"]]
    return made


def chain(args: Arguments) -> Exit:
    with Daemon(args) as daemon:
        found = daemon.image(
            image(args["path"], args["format"]), backing_chain=links(args)
        )
    Printer.of(args).one(found, chain_lines(found), name=found.uri)
    return Exit.DONE


def chain_lines(found: image_pb2.Image) -> Iterator[str]:
    """A tree from the top down; under each link, who holds it."""
    for link in found.chain:
        indent = "   " * link.depth
        branch = indent[:-3] + "└─ " if link.depth else ""
        yield f"{branch}{link_line(link)}"
        if not link.depth:
            yield from (f"{indent}   {trait}" for trait in traits(found.qcow2))
        held = sorted({words.holder(h) for h in found.holders if h.uri == link.uri})
        yield from (f"{indent}   held by {holder}" for holder in held)


def link_line(link: image_pb2.ImageLink) -> str:
    return (
        f"{words.place(link.uri)}  {link.format}  "
        f"{format_size(link.virtual_size_bytes)}, "
        f"{format_size(link.allocated_bytes)} allocated"
    )


def traits(qcow2: image_pb2.Qcow2Details) -> Iterator[str]:
    """What somebody who is about to change the image should know."""
    if qcow2.corrupt:
        yield "marked corrupt by a writer"
    if qcow2.dirty:
        yield "dirty: its refcounts are to be rebuilt"
    if qcow2.snapshots:
        yield f"{len(qcow2.snapshots)} internal snapshots"
    if qcow2.bitmaps:
        yield f"bitmaps: {', '.join(bitmap.name for bitmap in qcow2.bitmaps)}"


def extents(args: Arguments) -> Exit:
    printer = Printer.of(args)
    name = image(args["path"], args["format"])
    with Daemon(args) as daemon:
        runs = daemon.map(name, backing_chain=links(args))
        if printer.is_data:
            printer.list(map(qemu_row, runs), (), name=str)
        else:
            files = {} if printer.form == "name" else names(daemon, name, args)
            printer.list(
                runs, map_columns(files), name=lambda run: str(run.start_bytes)
            )
    return Exit.DONE


def names(daemon: Client, name: image_pb2.ImageRef, args: Arguments) -> dict[int, str]:
    """The images of the chain by depth."""
    found = daemon.image(name, backing_chain=links(args))
    return {link.depth: words.place(link.uri) for link in found.chain}


def map_columns(files: dict[int, str]) -> list[Column]:
    def file(run: image_pb2.MapExtent) -> str:
        is_nowhere = run.data == image_pb2.EXTENT_DATA_UNALLOCATED
        return words.NONE if is_nowhere else files.get(run.depth, words.NONE)

    return [
        Column("START", lambda run: str(run.start_bytes), is_number=True),
        Column("LENGTH", lambda run: str(run.length_bytes), is_number=True),
        Column("SIZE", lambda run: format_size(run.length_bytes), is_number=True),
        Column("DATA", data),
        Column("DEPTH", lambda run: str(run.depth), is_number=True, drop=2),
        Column("OFFSET", host_offset, is_number=True, drop=1),
        Column("FILE", file, cut=Cut.LEFT),
    ]


def data(run: image_pb2.MapExtent) -> str:
    return words.name_of(image_pb2.ExtentData, run.data, "EXTENT_DATA_")


def host_offset(run: image_pb2.MapExtent) -> str:
    if not run.HasField("host_offset_bytes"):
        return words.NONE
    return str(run.host_offset_bytes)


def qemu_row(run: image_pb2.MapExtent) -> dict[str, object]:
    """The keys of `qemu-img map --output=json`, so that scripts can change over."""
    row: dict[str, object] = {
        "start": run.start_bytes,
        "length": run.length_bytes,
        "depth": run.depth,
        "present": run.data != image_pb2.EXTENT_DATA_UNALLOCATED,
        "zero": run.data
        in (image_pb2.EXTENT_DATA_ZERO, image_pb2.EXTENT_DATA_UNALLOCATED),
        "data": run.data
        in (image_pb2.EXTENT_DATA_DATA, image_pb2.EXTENT_DATA_COMPRESSED),
        "compressed": run.data == image_pb2.EXTENT_DATA_COMPRESSED,
    }
    if run.HasField("host_offset_bytes"):
        row["offset"] = run.host_offset_bytes
    return row
