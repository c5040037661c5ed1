"""CreateImage: an empty image under its name, whole and durable, or nothing at all."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..block.describe import describe
from ..block.files import NewFile, create_new
from ..block.links import ImageRef
from ..block.open import Format
from ..block.qcow2.create import CreateOptions, check_options, create_qcow2
from ..block.roots import Roots
from ..errors import ServiceError, field_invalid
from ..units import SECTOR, is_aligned

# The largest offset that the kernel takes.
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class NewImage:
    """What is asked for. `options` are those of qcow2; their size is still to come."""

    image: ImageRef
    format: Format
    size: int | None
    backing: ImageRef | None
    backing_chain: tuple[ImageRef, ...]
    options: CreateOptions


def make_image(roots: Roots, new: NewImage) -> None:
    """Raises with nothing left behind: TARGET_EXISTS, FIELD_INVALID, NO_SPACE …"""
    options = replace(new.options, size=_size(roots, new))
    if new.backing is not None:
        place = roots.resolve(new.backing.path)
        options = replace(
            options, backing_file=place.path, backing_format=new.backing.format
        )
    if new.format is Format.QCOW2:
        _check(options)
    file = create_new(roots, roots.resolve(new.image.path), secrets.token_hex(8))
    try:
        _fill(file, new.format, options)
        file.publish()
    except BaseException:
        file.abandon()
        raise
    file.node.close()


# How the request calls what the image's header calls otherwise.
_FIELDS = {
    "size": "virtual_size_bytes",
    "version": "qcow2.version",
    "cluster_size": "qcow2.cluster_size_bytes",
    "refcount_bits": "qcow2.refcount_bits",
    "compression": "qcow2.compression_type",
    "extended_l2": "qcow2.extended_l2",
    "lazy_refcounts": "qcow2.lazy_refcounts",
    "backing_file": "backing.uri",
    "backing_format": "backing.format",
}


def _check(options: CreateOptions) -> None:
    """What the format allows; the error names the field of the request."""
    try:
        check_options(options)
    except ServiceError as error:
        if not error.violations:
            raise
        wrong = error.violations[0]
        field = _FIELDS.get(wrong.field, wrong.field)
        raise field_invalid(field, wrong.description) from error


def _fill(file: NewFile, format_: Format, options: CreateOptions) -> None:
    match format_:
        case Format.RAW:
            file.node.truncate(options.size)
        case Format.QCOW2:
            create_qcow2(file.node, options)


def _size(roots: Roots, new: NewImage) -> int:
    """The size asked for, else that of the backing image."""
    if new.backing is not None:
        below = _backing_size(roots, new.backing, new.backing_chain)
        return below if new.size is None else _checked(new.size)
    if new.size is None:
        raise field_invalid("virtual_size_bytes", "Required without a backing image")
    return _checked(new.size)


def _backing_size(roots: Roots, backing: ImageRef, declared: Sequence[ImageRef]) -> int:
    """Also proves that the chain below can be followed to its end."""
    facts = describe(roots, backing, declared=declared)
    if facts.fault is not None:
        raise facts.fault
    return facts.top.virtual_size


def _checked(size: int) -> int:
    if not 0 <= size <= _LARGEST or not is_aligned(size, SECTOR):
        raise field_invalid(
            "virtual_size_bytes", f"Must be a multiple of 512 from 0 on, not {size}"
        )
    return size
