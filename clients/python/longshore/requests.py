"""Requests from plain arguments: what both clients send. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .enums import OnConflict
from .steps import request_id as new_request_id
from .v1 import (
    block_pb2,
    image_pb2,
    job_info_pb2,
    job_options_pb2,
    job_service_pb2,
    rate_limit_pb2,
)

ImageName = str | Path | tuple[str | Path, str] | image_pb2.ImageRef
"""An image: a path (then qcow2), a path and its format, or an ImageRef."""


def image(name: ImageName) -> image_pb2.ImageRef:
    if isinstance(name, image_pb2.ImageRef):
        return name
    path, declared = name if isinstance(name, tuple) else (name, "qcow2")
    return image_pb2.ImageRef(uri=str(path), format=declared)


def pull_info(
    top: ImageName,
    base: ImageName | None,
    backing_chain: Iterable[ImageName],
    *,
    allow_snapshot_loss: bool = False,
) -> job_info_pb2.JobInfo:
    spec = block_pb2.BlockPullJob.Spec(
        top=image(top),
        backing_chain=[image(link) for link in backing_chain],
        allow_snapshot_loss=allow_snapshot_loss,
    )
    if base is not None:
        spec.base.CopyFrom(image(base))
    return job_info_pb2.JobInfo(
        block=block_pb2.BlockJobInfo(pull=block_pb2.BlockPullJob(spec=spec))
    )


@dataclass(frozen=True, slots=True)
class Submit:
    """How a job is to be run; the same for every kind."""

    job_id: str = ""
    options: job_options_pb2.JobOptions | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    request_id: str = ""
    on_conflict: OnConflict = job_service_pb2.ON_CONFLICT_UNSPECIFIED
    after: tuple[str, ...] = ()

    def request(self, info: job_info_pb2.JobInfo) -> job_service_pb2.CreateJobRequest:
        return job_service_pb2.CreateJobRequest(
            job_id=self.job_id,
            info=info,
            options=self.options,
            labels=self.labels,
            request_id=self.request_id or new_request_id(),
            on_conflict=self.on_conflict,
            after=self.after,
        )


PLAINLY = Submit()
"""With a new id, no limit, no label: as the daemon's defaults have it."""


Scope = str | Path | rate_limit_pb2.RateLimitScope
"""What shares a limit: "daemon", a device ("8:0"), or that of an image (its path)."""

_DEVICE = re.compile(r"[0-9]+:[0-9]+", re.ASCII)


def scope(name: Scope) -> rate_limit_pb2.RateLimitScope:
    if isinstance(name, rate_limit_pb2.RateLimitScope):
        return name
    made = rate_limit_pb2.RateLimitScope()
    if name == "daemon":
        made.daemon.SetInParent()
    elif _DEVICE.fullmatch(str(name)):
        made.device = str(name)
    else:
        made.image_uri = str(name)
    return made


def with_request_id(
    request: job_service_pb2.CreateJobGroupRequest,
) -> job_service_pb2.CreateJobGroupRequest:
    """The same, with a request id if it has none; the caller's stays as it is."""
    sent = job_service_pb2.CreateJobGroupRequest()
    sent.CopyFrom(request)
    sent.request_id = sent.request_id or new_request_id()
    return sent
