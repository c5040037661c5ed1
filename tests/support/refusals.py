"""What a daemon answers when all is not well: refusals, and frames of a watch."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped]  # ships no types

from longshore.v1 import job_pb2, watch_pb2

Code = grpc.StatusCode
Frame = watch_pb2.WatchJobsResponse


@dataclass(eq=False)
class Refusal(Exception):
    """What to answer instead: an error of the daemon, or (no reason) of a transport."""

    code: grpc.StatusCode
    reason: str = ""
    message: str = "refused"
    metadata: dict[str, str] = field(default_factory=dict)
    details: tuple[Message, ...] = ()
    domain: str = "jobs.longshore"

    def status(self) -> status_pb2.Status:
        info = error_details_pb2.ErrorInfo(
            reason=self.reason, domain=self.domain, metadata=self.metadata
        )
        packed = []
        for detail in (info, *self.details):
            packed.append(Packed())
            packed[-1].Pack(detail)
        return status_pb2.Status(
            code=self.code.value[0], message=self.message, details=packed
        )

    async def abort(self, context: Any) -> None:
        if not self.reason:
            await context.abort(self.code, self.message)
        await context.abort_with_status(rpc_status.to_status(self.status()))


def retry_info(seconds: float) -> error_details_pb2.RetryInfo:
    return error_details_pb2.RetryInfo(
        retry_delay=Duration(nanos=round(seconds * 1e9) % 10**9, seconds=int(seconds))
    )


def missing(job_id: str) -> Refusal:
    return Refusal(
        Code.NOT_FOUND, "JOB_NOT_FOUND", f"There is no job {job_id}", {"jobId": job_id}
    )


def closing(
    reason: str, cursor: watch_pb2.Cursor | None = None, delay: float = 0.0
) -> Frame:
    frame = Frame(
        closing=watch_pb2.WatchClosing(
            reason=watch_pb2.WatchCloseReason.Value(f"WATCH_CLOSE_REASON_{reason}"),
            retry_delay=retry_info(delay).retry_delay,
        )
    )
    if cursor is not None:
        frame.cursor.CopyFrom(cursor)
    return frame


def opened(heartbeat: float = 15.0) -> Frame:
    beat = retry_info(heartbeat).retry_delay
    return Frame(opened=watch_pb2.WatchOpened(heartbeat_interval=beat))


def whole(cursor: watch_pb2.Cursor, jobs: Iterable[job_pb2.Job] = ()) -> list[Frame]:
    """The frames of a snapshot."""
    end = watch_pb2.SnapshotEnd()
    return [
        Frame(snapshot=watch_pb2.SnapshotChunk(jobs=jobs)),
        Frame(cursor=cursor, snapshot_end=end),
    ]
