"""Metrics and traces, as far as the settings want them: both are off by default.

What they need is in extras of the package, and is imported only when it is wanted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..clock import Clock, Instant
from ..config.settings import Config
from ..errors import ServiceError, field_invalid
from ..scheduler.tally import JobTally
from ..service.around import Around
from ..service.calltally import CallTally
from ..service.listen import TcpAddress
from .backend import Backend
from .scrape import Scraped, metrics_addresses

if TYPE_CHECKING:
    from .spans import Spans

# What a collector that does not answer may cost a shutdown.
_EXPORT_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Gauges:
    """Of the service: asked from any thread."""

    watchers: Callable[[], int]
    conflated: Callable[[], int]
    certificate_expires: Callable[[], Instant | None]


@dataclass(slots=True)
class Observation:
    """Between `observe` and `start` it is tied to what it looks at."""

    clock: Clock
    listen: tuple[TcpAddress, ...]
    calls: CallTally | None
    spans: Spans | None
    scraped: Scraped | None = None

    def around(self) -> list[Around]:
        """What is to go around every call, the innermost first."""
        found: list[Around] = []
        if self.spans is not None:
            found.append(self.spans.around)
        if self.calls is not None:
            found.append(self.calls.around)
        return found

    def follow(self, backend: Backend, gauges: Gauges) -> None:
        """Hear of what happens to jobs, from the first change on."""
        scheduler = backend.scheduler
        if self.spans is not None:
            scheduler.on_change.append(self.spans.note)
        if self.calls is not None:
            tally = JobTally(scheduler.running)
            scheduler.on_adopt.append(tally.adopt)
            scheduler.on_change.append(tally.note)
            self.scraped = _scraped(backend, gauges, self.calls, tally, self.clock)

    async def start(self) -> tuple[TcpAddress, ...]:
        """Begin to answer and to send; the addresses that answer come back."""
        bound: tuple[TcpAddress, ...] = ()
        if self.scraped is not None:
            bound = await self.scraped.start(self.listen)
        if self.spans is not None:
            self.spans.start()
        return bound

    async def stop(self) -> None:
        if self.scraped is not None:
            await self.scraped.stop()
        if self.spans is not None:
            await asyncio.to_thread(self.spans.stop)


def observe(config: Config, clock: Clock) -> Observation:
    """Raises FIELD_INVALID for what is wanted and cannot be had."""
    listen = metrics_addresses(config.metrics.listen)
    if listen:
        _check_metrics()
    return Observation(
        clock, listen, CallTally(clock) if listen else None, _spans(config)
    )


def _scraped(
    backend: Backend, gauges: Gauges, calls: CallTally, jobs: JobTally, clock: Clock
) -> Scraped:
    from .metrics import Metrics, Sources

    sources = Sources(
        clock=clock,
        calls=calls,
        jobs=jobs,
        journal=backend.journal,
        counts=backend.reader.counts,
        kinds=tuple(sorted(backend.drivers)),
        watchers=gauges.watchers,
        conflated=gauges.conflated,
        certificate_expires=gauges.certificate_expires,
    )
    return Scraped(Metrics(sources).page)


def _check_metrics() -> None:
    try:
        import prometheus_client  # noqa: F401 - is it there?
    except ImportError as error:
        raise _lacking("metrics.listen", "metrics", error) from error


def _spans(config: Config) -> Spans | None:
    endpoints = config.traces.endpoints
    if not endpoints:
        return None
    for endpoint in endpoints:
        if not endpoint.startswith(("http://", "https://")):
            raise field_invalid(
                "traces.endpoints", f"Must be URLs of http or https, not {endpoint!r}"
            )
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
            OTLPSpanExporter,
        )

        from .spans import Spans
    except ImportError as error:
        raise _lacking("traces.endpoints", "otel", error) from error
    return Spans([OTLPSpanExporter(one, timeout=_EXPORT_SECONDS) for one in endpoints])


def _lacking(setting: str, extra: str, error: ImportError) -> ServiceError:
    return field_invalid(
        setting,
        f"Needs {error.name}, which is not installed: pip install 'longshore[{extra}]'",
    )
