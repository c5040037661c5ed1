"""Commands about images: make one, show its chain, map it."""

import json
import sys

from ..units import format_size
from ..v1 import image_pb2, image_service_pb2
from . import output, words
from .connect import client, image
from .exits import Exit
from .parser import Arguments

_COMPRESSION = {
    "zlib": image_pb2.COMPRESSION_TYPE_ZLIB,
    "zstd": image_pb2.COMPRESSION_TYPE_ZSTD,
}


def create(args: Arguments) -> Exit:
    request = image_service_pb2.CreateImageRequest(
        image=image(args["path"], args["format"])
    )
    if args["size"] is not None:
        request.virtual_size_bytes = args["size"]
    if args["backing"] is not None:
        request.backing.CopyFrom(image(args["backing"], args["backing_format"]))
    if args["format"] == "qcow2":
        request.qcow2.CopyFrom(qcow2_options(args))
    with client(args) as daemon:
        made = daemon.create_image(request)
    output.show_one(
        made, output=args.output, lines=[chain_lines(made)[0]], name=made.uri
    )
    return Exit.DONE


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
    with client(args) as daemon:
        found = daemon.image(image(args["path"], args["format"]))
    output.show_one(found, output=args.output, lines=chain_lines(found), name=found.uri)
    return Exit.DONE


def chain_lines(found: image_pb2.Image) -> list[str]:
    """A tree from the top down; under each link, who holds it."""
    lines = []
    for link in found.chain:
        indent = "" if link.depth == 0 else "   " * (link.depth - 1) + "└─ "
        lines.append(
            f"{indent}{link.uri}  {link.format}  "
            f"{format_size(link.virtual_size_bytes)}, "
            f"{format_size(link.allocated_bytes)} allocated"
        )
        held = sorted({words.holder(h) for h in found.holders if h.uri == link.uri})
        lines.extend(f"{'   ' * link.depth}   held by {holder}" for holder in held)
    flags = [
        name
        for name, is_set in (
            ("dirty", found.qcow2.dirty),
            ("corrupt", found.qcow2.corrupt),
        )
        if is_set
    ]
    return [*lines, *(f"! {name}" for name in flags)]


def extents(args: Arguments) -> Exit:
    with client(args) as daemon:
        runs = daemon.map(image(args["path"], args["format"]))
        if args.output == "json":
            rows = [qemu_row(run) for run in runs]
            sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        else:
            columns = [
                output.Column("START", lambda r: str(r.start_bytes), is_number=True),
                output.Column("LENGTH", lambda r: str(r.length_bytes), is_number=True),
                output.Column("DATA", lambda r: data(r)),
                output.Column("DEPTH", lambda r: str(r.depth), is_number=True),
                output.Column("OFFSET", host_offset, is_number=True),
            ]
            output.show(
                runs, columns, output=args.output, name=lambda r: str(r.start_bytes)
            )
    return Exit.DONE


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
