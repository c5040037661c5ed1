"""Every call that takes the name of an image; all must refuse a trap alike."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from longshore import Client
from longshore.errors import ServiceError
from longshore.requests import PLAINLY, Submit, pull_info
from longshore.steps import request_id
from longshore.v1 import (
    image_pb2,
    image_service_pb2,
    job_info_pb2,
    job_service_pb2,
)
from longshored.units import MiB

SECONDS = 10.0
# The attack lists give 2 s for one answer, whatever is thrown at it. That is counted
# on a machine of one's own; on a busy one this tells what is slow from what hangs.
SLOWEST_SECONDS = 8.0


def _info(uri: str) -> job_info_pb2.JobInfo:
    return pull_info((uri, "qcow2"), None, ())


def create_job(client: Client, uri: str) -> object:
    return client.create(_info(uri), Submit(request_id=request_id())).job


def plan_job(client: Client, uri: str) -> object:
    return client.plan(_info(uri), PLAINLY)


def get_image(client: Client, uri: str) -> object:
    return client.image((uri, "qcow2"))


def map_image(client: Client, uri: str) -> object:
    return list(client.map((uri, "qcow2")))


def create_over(client: Client, uri: str) -> object:
    """A new overlay over the image."""
    new = image_pb2.ImageRef(uri=f"{_root_of(client)}/new-overlay", format="qcow2")
    backing = image_pb2.ImageRef(uri=uri, format="qcow2")
    request = image_service_pb2.CreateImageRequest(image=new, backing=backing)
    return client.create_image(request)


def create_at(client: Client, uri: str) -> object:
    """A new image under the name."""
    new = image_pb2.ImageRef(uri=uri, format="qcow2")
    request = image_service_pb2.CreateImageRequest(image=new, virtual_size_bytes=MiB)
    return client.create_image(request)


def _root_of(client: Client) -> str:
    return str(client.capabilities().roots[0])


Call = Callable[[Client, str], object]

READERS: dict[str, Call] = {
    "CreateJob": create_job,
    "PlanJob": plan_job,
    "GetImage": get_image,
    "MapImage": map_image,
    "CreateImage over it": create_over,
}

# Those that need the bytes of an image, not its header alone.
OPENERS = frozenset({"CreateJob", "PlanJob", "MapImage"})


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call was refused, and how long that took."""

    error: ServiceError | None
    result: object
    seconds: float

    @property
    def reason(self) -> str:
        return "no error" if self.error is None else self.error.reason

    @property
    def text(self) -> str:
        """Everything that a user is shown."""
        if self.error is None:
            return str(self.result)
        error = self.error
        return f"{error.message} {error.metadata} {error.field_violations}"


def ask(call: Call, client: Client, uri: str) -> Answer:
    began = time.monotonic()
    try:
        result = call(client, uri)
    except ServiceError as error:
        return Answer(error, None, time.monotonic() - began)
    return Answer(None, result, time.monotonic() - began)


def jobs_of(client: Client) -> int:
    request = job_service_pb2.ListJobsRequest(page_size=1)
    return len(client.stub().ListJobs(request, timeout=SECONDS).jobs)
