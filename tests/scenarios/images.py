"""Image chains made through the service."""

import hashlib
import random

from longshore.v1 import image_pb2
from longshore.v1 import image_service_pb2 as pb
from longshore.v1 import job_service_pb2 as jobs_pb
from longshored.units import KiB, MiB
from tests.support.daemon import Place, Stubs


def ref(place: Place, name: str) -> image_pb2.ImageRef:
    return image_pb2.ImageRef(
        uri=str(place.root / name), format=name.rpartition(".")[2]
    )


def make_chain(stubs: Stubs, place: Place, name: str, size: int = 8 * MiB) -> str:
    """A raw base of random data below an empty overlay; the digest of the base."""
    base, top = ref(place, f"{name}.raw"), ref(place, f"{name}.qcow2")
    stubs.images.CreateImage(pb.CreateImageRequest(image=base, virtual_size_bytes=size))
    data = random.Random(name).randbytes(size)
    (place.root / f"{name}.raw").write_bytes(data)
    stubs.images.CreateImage(pb.CreateImageRequest(image=top, backing=base))
    return hashlib.sha256(data).hexdigest()


def pull_of(place: Place, name: str, **fields: str) -> jobs_pb.CreateJobRequest:
    request = jobs_pb.CreateJobRequest(**fields)  # type: ignore[arg-type]  # texts only
    request.info.block.pull.spec.top.CopyFrom(ref(place, f"{name}.qcow2"))
    return request


SLOW = 512 * KiB
"""Bytes a second at which a pull of a test's chain lasts long enough to be met."""
