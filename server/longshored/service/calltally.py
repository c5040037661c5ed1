"""How many calls there were, how they ended and how long they took. For metrics."""

from collections import Counter
from collections.abc import Awaitable
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor

from ..clock import Clock
from ..tally import Histogram
from .around import Handler

# Those of other gRPC servers, and finer ones: most calls here take a millisecond.
BOUNDS = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


class Method(NamedTuple):
    """As the labels of gRPC metrics have it."""

    type: str
    service: str
    name: str


class CallTally:
    """Written on the loop; read by any thread."""

    def __init__(self, clock: Clock) -> None:
        # Set once.
        self._clock = clock
        # Counted by whole assignments of one thread.
        self.started: Counter[Method] = Counter()
        self.handled: Counter[tuple[Method, str]] = Counter()
        self.received: Counter[Method] = Counter()
        self.sent: Counter[Method] = Counter()
        self.seconds: dict[Method, Histogram] = {}

    def around(self, descriptor: MethodDescriptor, handler: Handler) -> Handler:
        """The handler of a method, counted."""
        kind = "server_stream" if descriptor.server_streaming else "unary"
        method = Method(kind, descriptor.containing_service.full_name, descriptor.name)
        seconds = self.seconds[method] = Histogram(BOUNDS)
        now, streams = self._clock.now, descriptor.server_streaming
        self.started[method] = self.sent[method] = self.received[method] = 0
        self.handled[method, grpc.StatusCode.OK.name] = 0

        async def handle(request: Any, context: Any) -> Any:
            began = now()
            self.started[method] += 1
            self.received[method] += 1
            code = grpc.StatusCode.UNKNOWN.name
            try:
                if streams:
                    context = _Counted(context, self.sent, method)
                answer = await handler(request, context)
                code = grpc.StatusCode.OK.name
                self.sent[method] += not streams
                return answer
            except grpc.aio.AbortError:
                code = _name(context.code())
                raise
            except BaseException:
                # Nobody but the caller, or its connection, ends a call from outside.
                code = grpc.StatusCode.CANCELLED.name
                raise
            finally:
                self.handled[method, code] += 1
                seconds.note(now() - began)

        return handle


class _Counted:
    """The context of a stream that counts what is written."""

    __slots__ = ("_context", "_method", "_sent")

    def __init__(self, context: Any, sent: Counter[Method], method: Method) -> None:
        self._context = context
        self._sent = sent
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    def write(self, message: Any) -> Awaitable[None]:
        self._sent[self._method] += 1
        written: Awaitable[None] = self._context.write(message)
        return written


def _name(code: Any) -> str:
    """grpc.aio gives the code as it was set: one of its enum, or a number."""
    return code.name if isinstance(code, grpc.StatusCode) else _CODES[code]


_CODES = {code.value[0]: code.name for code in grpc.StatusCode}
