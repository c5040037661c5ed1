"""The edge of every call: identity, limits, request id, log line, audit, errors.

Behind it are methods without a transport: message and caller in, message out.
"""

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import grpc
import structlog
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.rpc import status_pb2

from ..clock import Clock
from ..errors import Kind, ServiceError
from ..scheduler.newjob import Caller
from . import status
from .callers import Origin, identify
from .frames import Frame
from .watch import StalledError

Answer = Message | bytes
"""What a method returns: a message, or one that is serialised already."""

Unary = Callable[[Any, Caller], Awaitable[Answer]]
Stream = Callable[[Any, Origin, Callable[[Frame], Awaitable[None]]], Awaitable[None]]

# Never refused for load: what an operator needs when there is too much of it, and
# what waits without working.
_ALWAYS_SERVED = frozenset(
    {"GetJob", "WaitJob", "PauseJob", "CancelJob", "GetCapabilities"}
)
# Refused from the moment the daemon begins to go down.
_MAKES_SOMETHING = frozenset({"CreateJob", "CreateJobGroup", "CreateImage"})

_STALLED = "The stream was given up: its reader took nothing for too long"

_log = structlog.get_logger(__name__)


class Context(Protocol):
    """What is used of grpc.aio.ServicerContext."""

    def peer(self) -> str: ...

    def invocation_metadata(self) -> Any: ...

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn: ...

    async def abort_with_status(self, status: grpc.Status) -> NoReturn: ...

    async def write(self, message: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class _Status(grpc.Status):
    """The status of an answer, with its trailers."""

    code: grpc.StatusCode
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


class Edge:
    """Wraps the methods of all services. Lives on the loop."""

    def __init__(self, clock: Clock, *, most_calls: int) -> None:
        # Set once.
        self._clock = clock
        self._most_calls = most_calls
        self._ids = itertools.count(1)
        self._id_prefix = secrets.token_hex(4)
        # Only on the loop.
        self.stopping = False
        self._calls = 0

    def unary(
        self, method: MethodDescriptor, serve: Unary
    ) -> Callable[[Any, Context], Awaitable[Answer]]:
        always = method.name in _ALWAYS_SERVED

        async def handle(request: Any, context: Context) -> Answer:
            call = self._begin(method, context)
            try:
                self._admit(method)
                self._calls += not always
                try:
                    answer = await serve(request, call.origin.caller)
                finally:
                    self._calls -= not always
            except Exception as error:  # noqa: BLE001 - the edge answers everything
                await self._fail(call, request, error, context)
            self._served(call, request, answer)
            return answer

        return handle

    def stream(
        self, method: MethodDescriptor, serve: Stream
    ) -> Callable[[Any, Context], Awaitable[None]]:
        async def handle(request: Any, context: Context) -> None:
            call = self._begin(method, context)
            try:
                await serve(request, call.origin, context.write)
            except asyncio.CancelledError:
                self._log(call, "stream_cancelled")
                raise
            except StalledError:
                self._log(call, "stream_stalled")
                # The place is free already. The reader finds this behind what it
                # did not take, and resumes after its last cursor.
                await context.abort(grpc.StatusCode.UNAVAILABLE, _STALLED)
            except Exception as error:  # noqa: BLE001 - the edge answers everything
                await self._fail(call, request, error, context)
            self._log(call, "stream_ended")

        return handle

    def _begin(self, method: MethodDescriptor, context: Context) -> "_Call":
        return _Call(
            rpc=method.name,
            mutates=_mutates(method),
            request_id=f"{self._id_prefix}-{next(self._ids):x}",
            origin=identify(context.peer(), context.invocation_metadata()),
            began=self._clock.now(),
        )

    def _admit(self, method: MethodDescriptor) -> None:
        if self.stopping and method.name in _MAKES_SOMETHING:
            raise ServiceError(
                Kind.SERVER_STOPPING,
                "The daemon is going down and takes no new work",
            )
        if self._calls >= self._most_calls and method.name not in _ALWAYS_SERVED:
            raise ServiceError(
                Kind.RATE_LIMIT,
                f"{self._calls:,} calls are being served already",
                limit_name="call_count",
                limit=self._most_calls,
            )

    async def _fail(
        self, call: "_Call", request: Any, error: Exception, context: Context
    ) -> NoReturn:
        """End the call with the status of an error; a bug shows only an id."""
        delay: float | None = None
        if isinstance(error, ServiceError) and error.kind is not Kind.INTERNAL:
            answer, delay = status.of_error(error), status.retry_delay(error)
            self._log(
                call,
                "call_refused",
                job=_job_id(request),
                reason=error.kind.value,
                message=error.message,
            )
        else:
            answer = status.of_bug(call.request_id)
            _log.error("call_failed", **call.facts(), exc_info=error)
        await context.abort_with_status(_to_grpc(answer, delay))

    def _served(self, call: "_Call", request: Any, answer: Answer) -> None:
        job = _job_id(request) or _job_id(getattr(answer, "job", None))
        self._log(call, "call_served", job=job)

    def _log(self, call: "_Call", event: str, **facts: object) -> None:
        """One line per call; those that change something are the audit record."""
        level = _log.info if call.mutates else _log.debug
        took = round((self._clock.now() - call.began) * 1000, 3)
        level(event, **call.facts(), **facts, took_ms=took)


@dataclass(frozen=True, slots=True)
class _Call:
    rpc: str
    mutates: bool
    request_id: str
    origin: Origin
    began: float

    def facts(self) -> dict[str, object]:
        return {
            "rpc": self.rpc,
            "request_id": self.request_id,
            "peer": self.origin.peer,
            "caller": self.origin.caller.name,
            "client": self.origin.client,
            "audit": self.mutates,
        }


def _mutates(method: MethodDescriptor) -> bool:
    level = method.GetOptions().idempotency_level
    return level != MethodOptions.NO_SIDE_EFFECTS


def _job_id(message: Any) -> str:
    return getattr(message, "job_id", "")


_CODES = {code.value[0]: code for code in grpc.StatusCode}
_DETAILS = "grpc-status-details-bin"


def _to_grpc(answer: status_pb2.Status, delay: float | None) -> grpc.Status:
    """The status as the transport wants it, with gRFC A6's word on when to retry."""
    code = _CODES[answer.code]
    trailers: list[tuple[str, str | bytes]] = [(_DETAILS, answer.SerializeToString())]
    if code is grpc.StatusCode.UNAVAILABLE and delay is not None:
        trailers.append(("grpc-retry-pushback-ms", str(round(delay * 1000))))
    return _Status(code, answer.message, tuple(trailers))
