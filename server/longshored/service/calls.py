"""One call and its line in the log; of those that change something, in the audit.

Every mutation leaves one audit line, whatever becomes of it: served, refused,
failed (a bug), or abandoned (its caller did not wait; it may have happened).
"""

from dataclasses import dataclass
from typing import Any

import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from longshore.v1 import image_pb2

from ..clock import Clock
from ..errors import Kind, ServiceError
from .callers import Origin

_log = structlog.get_logger(__name__)
# The record of who changed what is complete at every level of the log.
_audit = structlog.wrap_logger(
    None, wrapper_class=structlog.make_filtering_bound_logger(0)
)

_LONGEST_WORDS = 512

# Someone tries what is not theirs: worth a line whatever they try.
_SUSPECT = frozenset({Kind.CREDENTIALS_INVALID, Kind.PERMISSION_DENIED})


@dataclass(frozen=True, slots=True)
class What:
    """A method of the contract."""

    rpc: str
    mutates: bool


@dataclass(frozen=True, slots=True)
class Call:
    what: What
    request_id: str
    origin: Origin
    began: float


@dataclass(frozen=True, slots=True)
class Made:
    """An answer that is serialised already, and the job or group it is about."""

    body: bytes
    job_id: str


class Record:
    """Writes the lines."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def served(self, call: Call, request: Any, answer: Any = None) -> None:
        if call.what.mutates:
            self._audit(call, "served", request, answer)
        else:
            _log.debug("call_served", **self._facts(call, request))

    def refused(self, call: Call, request: Any, error: ServiceError) -> None:
        reason, message = error.kind.value, error.message
        if call.what.mutates:
            self._audit(call, "refused", request, reason=reason, message=message)
            return
        write = _log.info if error.kind in _SUSPECT else _log.debug
        facts = self._facts(call, request)
        write("call_refused", reason=reason, message=_tame(message), **facts)

    def failed(self, call: Call, request: Any, error: Exception) -> None:
        """A bug: its trace in any case, next to the audit."""
        if call.what.mutates:
            self._audit(call, "failed", request, reason=Kind.INTERNAL.value)
        _log.error("call_failed", **self._facts(call, request), exc_info=error)

    def abandoned(self, call: Call, request: Any) -> None:
        if call.what.mutates:
            self._audit(call, "abandoned", request)
        else:
            _log.debug("call_abandoned", **self._facts(call, request))

    def stalled(self, call: Call, request: Any, message: str) -> None:
        _log.debug("stream_stalled", message=message, **self._facts(call, request))

    def _audit(
        self,
        call: Call,
        outcome: str,
        request: Any,
        answer: Any = None,
        *,
        reason: str = "",
        message: str = "",
    ) -> None:
        facts = self._facts(call, request)
        if not facts["job"]:
            facts["job"] = _job_id(answer) or _job_id(getattr(answer, "job", None))
        _audit.info(
            "audit",
            **facts,
            target=_target(request),
            outcome=outcome,
            reason=reason,
            message=_tame(message),
        )

    def _facts(self, call: Call, request: Any) -> dict[str, object]:
        origin = call.origin
        return {
            "rpc": call.what.rpc,
            "request_id": call.request_id,
            "peer": origin.peer,
            "caller": origin.caller.name,
            "role": str(origin.identity.role),
            "client": origin.client,
            "job": _job_id(request),
            "took_ms": round((self._clock.now() - call.began) * 1000, 3),
        }


def mutates(method: MethodDescriptor) -> bool:
    level = method.GetOptions().idempotency_level
    return level != MethodOptions.NO_SIDE_EFFECTS


def _job_id(message: Any) -> str:
    """What a message is about: a job, or a group of them."""
    return _tame(getattr(message, "job_id", "") or getattr(message, "group_id", ""))


def _target(message: Any) -> str:
    """The image that a job is about, that is to be made, or whose limit changes."""
    if (info := getattr(message, "info", None)) is not None:
        return _tame(_first_image(info))
    if (members := getattr(message, "members", None)) is not None:
        return _tame(", ".join(_first_image(member.info) for member in members))
    if (image := getattr(message, "image", None)) is not None:
        return _tame(image.uri)
    if (scope := getattr(message, "scope", None)) is not None:
        return _tame(scope.device or scope.image_uri or scope.WhichOneof("scope") or "")
    return ""


def _first_image(message: Message) -> str:
    """The name of the first image in a message; of a job that is its target."""
    if isinstance(message, image_pb2.ImageRef):
        return message.uri
    parts = (value for _, value in message.ListFields() if isinstance(value, Message))
    return next(filter(None, map(_first_image, parts)), "")


def _tame(text: str) -> str:
    """Words of a caller, who may be anybody: of one line, and not without end."""
    text = text[:_LONGEST_WORDS]
    return text if text.isprintable() else ascii(text)
