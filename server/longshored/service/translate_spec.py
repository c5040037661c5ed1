"""What a job does: the tree of kinds in the contract <-> specs, results, statuses."""

from collections.abc import Iterable, Sequence

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from longshore.v1 import block_pb2, image_pb2, job_info_pb2

from ..errors import Kind, ServiceError, Violation, field_invalid
from ..job.spec import (
    ImageRef,
    PullResult,
    PullSpec,
    PullStatus,
    Result,
    SkippedRange,
    Spec,
    Status,
)
from . import wiretime
from .checks import at_most
from .wiretime import Fields

LONGEST_CHAIN = 200


def kinds() -> tuple[str, ...]:
    """Every kind of job that the contract knows, as "<subsystem>.<leaf>"."""
    subsystems = job_info_pb2.JobInfo.DESCRIPTOR.oneofs_by_name["subsystem"]
    return tuple(
        f"{subsystem.name}.{leaf.name}"
        for subsystem in subsystems.fields
        if subsystem.message_type is not None
        for leaf in subsystem.message_type.oneofs_by_name["kind"].fields
    )


def kind_of(info: job_info_pb2.JobInfo, field: str = "info") -> str:
    """The kind that a request asks for, whether or not it is served."""
    subsystem = _arm(info, "subsystem", field, "")
    leaf_holder = getattr(info, subsystem)
    leaf = _arm(leaf_holder, "kind", f"{field}.{subsystem}", f"{subsystem}.")
    return f"{subsystem}.{leaf}"


def _arm(message: Message, oneof: str, field: str, prefix: str) -> str:
    arm: str | None = message.WhichOneof(oneof)
    if arm is not None:
        return arm
    unknown = UnknownFieldSet(message)
    if len(unknown):
        # A newer client asks for a kind that this daemon has never heard of.
        raise unsupported(f"{prefix}#{unknown[0].field_number}")
    raise field_invalid(field, "Required: one kind of job with its spec")


def unsupported(kind: str) -> ServiceError:
    return ServiceError(
        Kind.JOB_TYPE_UNSUPPORTED,
        f"Jobs of kind {kind} are not served by this daemon; GetCapabilities says "
        "which are",
        job_type=kind,
    )


def spec_from_proto(
    info: job_info_pb2.JobInfo, field: str = "info"
) -> tuple[str, Spec]:
    """Kind and checked spec. What is output only is not looked at."""
    kind = kind_of(info, field)
    if kind != "block.pull":
        raise unsupported(kind)
    where = f"{field}.block.pull.spec"
    if not info.block.pull.HasField("spec"):
        raise field_invalid(where, "Required: what to pull")
    spec = _pull_spec(info.block.pull.spec, where)
    _check(where, spec.check())
    return kind, spec


def _pull_spec(message: block_pb2.BlockPullJob.Spec, where: str) -> PullSpec:
    at_most(f"{where}.backing_chain", len(message.backing_chain), LONGEST_CHAIN)
    return PullSpec(
        top=image_ref(message.top),
        base=image_ref(message.base) if message.HasField("base") else None,
        backing_chain=image_refs(message.backing_chain),
        allow_snapshot_loss=message.allow_snapshot_loss,
    )


def _check(where: str, violations: Iterable[Violation]) -> None:
    wrong = tuple(
        Violation(f"{where}.{one.field}", one.description) for one in violations
    )
    if wrong:
        error = field_invalid(wrong[0].field, wrong[0].description)
        error.violations = wrong
        raise error


def image_ref(message: image_pb2.ImageRef) -> ImageRef:
    return ImageRef(message.uri, message.format)


def image_refs(messages: Sequence[image_pb2.ImageRef]) -> tuple[ImageRef, ...]:
    return tuple(image_ref(message) for message in messages)


def info_fields(spec: Spec, status: Status | None, result: Result | None) -> Fields:
    """The fields of a JobInfo."""
    pull = {
        "spec": _pull_spec_fields(spec),
        "status": None if status is None else _pull_status_fields(status),
        "result": None if result is None else _pull_result_fields(result),
    }
    return {"block": {"pull": pull}}


def _ref_fields(image: ImageRef | None) -> Fields | None:
    return None if image is None else {"uri": image.uri, "format": image.format}


def _pull_spec_fields(spec: PullSpec) -> Fields:
    return {
        "top": _ref_fields(spec.top),
        "base": _ref_fields(spec.base),
        "backing_chain": [_ref_fields(link) for link in spec.backing_chain],
        "allow_snapshot_loss": spec.allow_snapshot_loss,
    }


def _pull_status_fields(status: PullStatus) -> Fields:
    return {
        "published_bytes": status.published_bytes,
        "checkpoint_time": wiretime.timestamp_fields(status.checkpoint_time),
        "link_count": status.link_count,
        "current_depth": status.current_depth,
    }


def _pull_result_fields(result: PullResult) -> Fields:
    return {
        "copied_bytes": result.copied_bytes,
        "zeroed_bytes": result.zeroed_bytes,
        "skipped_bytes": result.skipped_bytes,
        "backing": _ref_fields(result.backing),
        "backing_name": result.backing_name,
        "skipped_ranges": [_skipped_fields(one) for one in result.skipped_ranges],
        "duration": wiretime.duration_fields(result.duration),
    }


def _skipped_fields(skipped: SkippedRange) -> Fields:
    return {
        "range": {"start_bytes": skipped.start, "length_bytes": skipped.length},
        "uri": skipped.uri,
        "error_number": skipped.error_number,
    }
