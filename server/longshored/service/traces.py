"""The trace that a call is part of: set at its edge, read where a job is made.

It holds nothing unless the daemon traces.
"""

from contextvars import ContextVar

TRACEPARENT: ContextVar[str] = ContextVar("traceparent", default="")
"""The span of the call that is being served, as W3C traceparent."""


def current() -> str:
    return TRACEPARENT.get()
