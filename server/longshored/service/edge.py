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
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import status_pb2

from ..clock import Clock
from ..errors import Kind, ServiceError
from ..scheduler.newjob import Caller
from . import callers, status
from .callers import UNKNOWN, Evidence, Guard, Origin, permit
from .calls import Call, Made, Record, What, mutates
from .frames import Frame
from .quotas import CallRates
from .streams import Streams
from .watch import StalledError

Answer = Message | Made | bytes
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


class Context(callers.Context, Protocol):
    """What is used of grpc.aio.ServicerContext."""

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

    def __init__(
        self, clock: Clock, guard: Guard, rates: CallRates, *, most_calls: int
    ) -> None:
        # Set once.
        self._clock = clock
        self._guard = guard
        self._rates = rates
        self._ids = itertools.count(1)
        self._id_prefix = secrets.token_hex(4)
        self._record = Record(clock)
        # Only on the loop; the first two are changed from outside.
        self.most_calls = most_calls
        self.stopping = False
        self._calls = 0
        self._streams = Streams()

    def unary(
        self, method: MethodDescriptor, serve: Unary
    ) -> Callable[[Any, Context], Awaitable[Answer]]:
        what = What(method.name, mutates(method))
        always = what.rpc in _ALWAYS_SERVED

        async def handle(request: Any, context: Context) -> Answer:
            call, _ = await self._begin(what, request, context)
            try:
                self._admit(call, always=always)
                self._calls += not always
                try:
                    answer = await serve(request, call.origin.caller)
                finally:
                    self._calls -= not always
            except asyncio.CancelledError:
                self._record.abandoned(call, request)
                raise
            except Exception as error:  # noqa: BLE001 - the edge answers everything
                await self._fail(call, request, error, context)
            self._record.served(call, request, answer)
            return answer

        return handle

    def stream(
        self, method: MethodDescriptor, serve: Stream
    ) -> Callable[[Any, Context], Awaitable[None]]:
        what = What(method.name, mutates(method))

        async def handle(request: Any, context: Context) -> None:
            call, evidence = await self._begin(what, request, context)
            try:
                permit(call.origin.identity, what.rpc)
                self._rates.take(call.origin.caller.name)
                with self._streams.opened(evidence, what.rpc):
                    await serve(request, call.origin, context.write)
            except asyncio.CancelledError:
                self._record.abandoned(call, request)
                raise
            except grpc.aio.InternalError:
                # A frame could not be written: the client has gone meanwhile.
                self._record.abandoned(call, request)
                return
            except StalledError as error:
                self._record.stalled(call, request, str(error))
                # The place is free already. The reader finds this behind what it
                # did not take, and resumes after its last cursor.
                given_up = f"The stream was given up: {error}"
                await context.abort(grpc.StatusCode.UNAVAILABLE, given_up)
            except Exception as error:  # noqa: BLE001 - the edge answers everything
                await self._fail(call, request, error, context)
            self._record.served(call, request)

        return handle

    def recheck(self) -> None:
        """End the streams of callers that may no longer have them."""
        self._streams.recheck(self._judge)

    def _judge(self, evidence: Evidence, rpc: str) -> None:
        permit(self._guard.judge(evidence), rpc)

    async def _begin(
        self, what: What, request: Any, context: Context
    ) -> tuple[Call, Evidence]:
        """Who calls; ends the call if nobody knows."""
        request_id = f"{self._id_prefix}-{next(self._ids):x}"
        began = self._clock.now()
        try:
            evidence, peer, client = self._guard.gather(context)
            origin = Origin(self._guard.judge(evidence), peer, client)
        except ServiceError as error:
            nobody = Call(what, request_id, Origin(UNKNOWN, context.peer(), ""), began)
            await self._fail(nobody, request, error, context)
        return Call(what, request_id, origin, began), evidence

    def _admit(self, call: Call, *, always: bool) -> None:
        """Raise unless the caller may, and there is room."""
        rpc = call.what.rpc
        permit(call.origin.identity, rpc)
        if self.stopping and rpc in _MAKES_SOMETHING:
            raise ServiceError(
                Kind.SERVER_STOPPING,
                "The daemon is going down and takes no new work",
            )
        if always:
            return
        if self._calls >= self.most_calls:
            raise ServiceError(
                Kind.RATE_LIMIT,
                f"{self._calls:,} calls are being served already",
                limit_name="call_count",
                limit=self.most_calls,
            )
        self._rates.take(call.origin.caller.name)

    async def _fail(
        self, call: Call, request: Any, error: Exception, context: Context
    ) -> NoReturn:
        """End the call with the status of an error; a bug shows only an id."""
        delay: float | None = None
        if isinstance(error, ServiceError) and error.kind is not Kind.INTERNAL:
            answer, delay = status.of_error(error), status.retry_delay(error)
            self._record.refused(call, request, error)
        else:
            answer = status.of_bug(call.request_id)
            self._record.failed(call, request, error)
        await context.abort_with_status(_to_grpc(answer, delay))


_CODES = {code.value[0]: code for code in grpc.StatusCode}
_DETAILS = "grpc-status-details-bin"


def _to_grpc(answer: status_pb2.Status, delay: float | None) -> grpc.Status:
    """The status as the transport wants it, with gRFC A6's word on when to retry."""
    code = _CODES[answer.code]
    trailers: list[tuple[str, str | bytes]] = [(_DETAILS, answer.SerializeToString())]
    if code is grpc.StatusCode.UNAVAILABLE and delay is not None:
        trailers.append(("grpc-retry-pushback-ms", str(round(delay * 1000))))
    return _Status(code, answer.message, tuple(trailers))
