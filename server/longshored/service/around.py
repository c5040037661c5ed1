"""What goes around every call, outside the edge: counting and tracing."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from google.protobuf.descriptor import MethodDescriptor

from .edge import Stream, Unary

Handler = Callable[[Any, Any], Awaitable[Any]]
"""A method of the server: request and context in, answer or None out."""

Around = Callable[[MethodDescriptor, Handler], Handler]


class Handlers(Protocol):
    """What makes handlers of methods: the edge, bare or with something around it."""

    def unary(self, method: MethodDescriptor, serve: Unary) -> Handler: ...

    def stream(self, method: MethodDescriptor, serve: Stream) -> Handler: ...


class Surrounded:
    """An edge with others around it, the last of them outside."""

    def __init__(self, edge: Handlers, around: Sequence[Around]) -> None:
        self._edge = edge
        self._around = around

    def unary(self, method: MethodDescriptor, serve: Unary) -> Handler:
        return self._within(method, self._edge.unary(method, serve))

    def stream(self, method: MethodDescriptor, serve: Stream) -> Handler:
        return self._within(method, self._edge.stream(method, serve))

    def _within(self, method: MethodDescriptor, handler: Handler) -> Handler:
        for around in self._around:
            handler = around(method, handler)
        return handler
