"""Traces by OpenTelemetry: a span for each unary call, and one for each job.

A job outlives the call that made it and may outlive the daemon, so its span is the
root of a trace of its own, linked to the call. It is written when the job ends, from
what is on record; its trace id is the job's uid, so nothing has to be remembered.
"""

import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    Span,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from .. import __version__
from ..job.model import Job
from ..job.states import FINAL, State
from ..service.around import Handler
from ..service.traces import TRACEPARENT
from ..store.change import Change

# Jobs that ended and have no span yet. Beyond it some get none: a collector that is
# slow must not fill the memory.
MOST_WAITING = 10_000

_KEYS = frozenset({"traceparent", "tracestate"})
# The fault of the server, not of what was asked.
_OUR_FAULT = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_PROPAGATOR = TraceContextTextMapPropagator()


class Spans:
    def __init__(self, exporters: Sequence[SpanExporter]) -> None:
        # Set once.
        self._ids = _Ids()
        resource = Resource.create(
            {"service.name": "longshored", "service.version": __version__}
        )
        self._provider = TracerProvider(
            resource=resource, id_generator=self._ids, shutdown_on_exit=False
        )
        for exporter in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("longshored", __version__)
        self._ended: queue.Queue[Job | None] = queue.Queue(MOST_WAITING)
        self._thread = threading.Thread(target=self._serve, name="spans", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Send what is left."""
        self._ended.put(None)
        self._thread.join()
        self._provider.shutdown()

    def around(self, descriptor: MethodDescriptor, handler: Handler) -> Handler:
        """The handler of a unary method, inside a span. Streams have none: theirs
        would last for hours and say nothing until then."""
        if descriptor.server_streaming:
            return handler
        service, name = descriptor.containing_service.full_name, descriptor.name
        attributes = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": name,
        }

        async def handle(request: Any, context: Any) -> Any:
            span = self._tracer.start_span(
                f"{service}/{name}",
                context=_extracted(context.invocation_metadata()),
                kind=SpanKind.SERVER,
                attributes=attributes,
            )
            token = TRACEPARENT.set(_traceparent(span))
            try:
                answer = await handler(request, context)
            except grpc.aio.AbortError:
                _close(span, context.code())
                raise
            except BaseException:
                _close(span, grpc.StatusCode.CANCELLED)
                raise
            finally:
                TRACEPARENT.reset(token)
            _close(span, grpc.StatusCode.OK)
            return answer

        return handle

    def note(self, changes: Sequence[Change]) -> None:
        """On the journal's thread: jobs that have ended get their span soon."""
        for change in changes:
            job = change.job
            if job.traceparent and job.is_final and change.previous not in FINAL:
                try:
                    self._ended.put_nowait(job)
                except queue.Full:
                    return

    def _serve(self) -> None:
        while (job := self._ended.get()) is not None:
            self._write(job)

    def _write(self, job: Job) -> None:
        with self._ids.of_job(job):
            span = self._tracer.start_span(
                f"job {job.kind}",
                context=Context(),
                attributes=_attributes(job),
                links=list(_links(job)),
                start_time=job.create_time,
            )
        for step in job.history:
            span.add_event(
                step.state.value, {"reason": step.reason}, timestamp=step.time
            )
        if job.state is State.FAILED and job.failure is not None:
            span.set_status(Status(StatusCode.ERROR, job.failure.message))
        span.end(end_time=job.end_time)


class _Ids(RandomIdGenerator):
    """Random ids, except for the span of a job."""

    def __init__(self) -> None:
        self._job = threading.local()

    @contextmanager
    def of_job(self, job: Job) -> Iterator[None]:
        self._job.trace_id = int(job.trace_id, 16)
        try:
            yield
        finally:
            del self._job.trace_id

    def generate_trace_id(self) -> int:
        trace_id = getattr(self._job, "trace_id", None)
        return super().generate_trace_id() if trace_id is None else int(trace_id)

    def generate_span_id(self) -> int:
        trace_id = getattr(self._job, "trace_id", None)
        if trace_id is None:
            return super().generate_span_id()
        # Half of a UUID, of which the variant's bits are never zero.
        return int(trace_id) & 0xFFFF_FFFF_FFFF_FFFF


def _extracted(metadata: Any) -> Context:
    carrier = {key: value for key, value in metadata or () if key in _KEYS}
    return _PROPAGATOR.extract(carrier, Context())


def _traceparent(span: Span) -> str:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, set_span_in_context(span, Context()))
    return carrier["traceparent"]


def _links(job: Job) -> Iterator[Link]:
    context = _PROPAGATOR.extract({"traceparent": job.traceparent}, Context())
    yield Link(get_current_span(context).get_span_context(), {"relation": "submit"})


def _attributes(job: Job) -> dict[str, str | int]:
    return {
        "longshore.job.id": job.job_id,
        "longshore.job.kind": job.kind,
        "longshore.job.state": job.state.value,
        "longshore.job.owner": job.owner,
        "longshore.job.attempts": job.attempts,
        "longshore.job.bytes_read": job.progress.read,
        "longshore.job.bytes_written": job.progress.written,
    }


def _close(span: Span, code: Any) -> None:
    status = code if isinstance(code, grpc.StatusCode) else _CODES[code]
    span.set_attribute("rpc.grpc.status_code", status.value[0])
    if status in _OUR_FAULT:
        span.set_status(Status(StatusCode.ERROR))
    span.end()


_CODES = {code.value[0]: code for code in grpc.StatusCode}
