"""Jobs as a daemon would show them, for tests of what is made of them."""

from typing import Any

from google.protobuf.duration_pb2 import Duration

from longshore.v1 import job_pb2, job_progress_pb2, node_pb2

MiB = 1024**2

# When all jobs here were made, seconds.
MADE = 1_790_000_000


def job(name: str, state: str, **more: Any) -> job_pb2.Job:
    made = job_pb2.Job(
        job_id=name,
        job_type="block.pull",
        state=job_pb2.JobState.Value(f"JOB_STATE_{state}"),
        **more,
    )
    made.create_time.FromSeconds(MADE)
    if state in ("SUCCEEDED", "FAILED", "CANCELLED"):
        made.end_time.FromSeconds(MADE + 100)
    return made


def running(name: str = "01a1f9fc-46c0-7c93-89ea-87fec0ce57a4") -> job_pb2.Job:
    """A pull that is well on its way."""
    made = job(name, "RUNNING", progress=progress(860 * MiB, 2048 * MiB))
    made.nodes.add(
        role=node_pb2.NODE_ROLE_TOP,
        uri="file:///srv/images/customers/acme/web-1/disk-0-overlay.qcow2",
    )
    return made


def progress(current: int, total: int | None) -> job_progress_pb2.JobProgress:
    made = job_progress_pb2.JobProgress(
        unit=job_progress_pb2.PROGRESS_UNIT_BYTES,
        current=current,
        total=total,
        rate_per_second=200 * MiB,
        limited_by=job_progress_pb2.LIMITED_BY_JOB_RATE,
    )
    made.eta.low.CopyFrom(Duration(seconds=540))
    made.eta.high.CopyFrom(Duration(seconds=1200))
    return made


def queued(name: str = "behind", blocker: str = "in-front") -> job_pb2.Job:
    """A job that waits for what another one holds."""
    why = job_pb2.JobPending(
        reason=job_pb2.PENDING_REASON_HOLD,
        message="an image is in use",
        blocking_job_id=blocker,
        node_uri="file:///srv/images/base%20image.raw",
    )
    return job(name, "QUEUED", pending=why)
