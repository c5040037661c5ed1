"""What Prometheus is told: collected when it asks, from counters that are kept anyway.

No name of a job, a caller or an image is in a label: their number has no bound.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from .. import __version__
from ..clock import SECOND, Clock, Instant
from ..job.model import Holder
from ..job.states import State
from ..scheduler.tally import JobTally, Totals
from ..service.calltally import CallTally
from ..store.journal import Journal
from ..tally import Observed

_METHOD = ("grpc_type", "grpc_service", "grpc_method")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the numbers are. All of it may be asked from any thread."""

    clock: Clock
    calls: CallTally
    jobs: JobTally
    journal: Journal
    counts: Callable[[], Mapping[tuple[str, State], int]]
    kinds: tuple[str, ...]
    watchers: Callable[[], int]
    conflated: Callable[[], int]
    certificate_expires: Callable[[], Instant | None]


class Metrics(Collector):
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def page(self, accept: str) -> tuple[bytes, str]:
        """What is true now, in the form that was asked for, and the form's name."""
        encode, form = choose_encoder(accept)
        return encode(self._registry), form

    def describe(self) -> list[Metric]:
        """Nothing: to know the names one has to collect, which needs a store."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield from self._of_calls()
        yield from self._of_jobs()
        yield from self._of_the_daemon()

    def _of_calls(self) -> Iterator[Metric]:
        calls = self._sources.calls
        for name, text, counted in (
            ("started", "Calls that were begun.", calls.started),
            ("msg_received", "Messages that clients sent.", calls.received),
            ("msg_sent", "Messages that clients were sent.", calls.sent),
        ):
            family = CounterMetricFamily(f"grpc_server_{name}", text, labels=_METHOD)
            for method, count in list(counted.items()):
                family.add_metric(method, count)
            yield family
        handled = CounterMetricFamily(
            "grpc_server_handled",
            "Calls that have ended, by their status.",
            labels=(*_METHOD, "grpc_code"),
        )
        for (method, code), count in list(calls.handled.items()):
            handled.add_metric((*method, code), count)
        yield handled
        seconds = HistogramMetricFamily(
            "grpc_server_handling_seconds",
            "Time from the begin of a call to its end; of a watch, its life.",
            labels=_METHOD,
        )
        for method, histogram in list(calls.seconds.items()):
            _add(seconds, method, histogram.seen())
        yield seconds

    def _of_jobs(self) -> Iterator[Metric]:
        totals = self._sources.jobs.look(self._sources.clock.wall())
        yield self._jobs()
        yield self._pauses(totals)
        moves = CounterMetricFamily(
            "longshore_job_transitions",
            "States that jobs have entered, and why, in a word.",
            labels=("kind", "to", "reason"),
        )
        for move, count in totals.moves.items():
            moves.add_metric((move.kind, move.to.value, move.reason), count)
        yield moves
        yield from _times(totals)
        moved = CounterMetricFamily(
            "longshore_job_bytes",
            "Bytes that jobs read, wrote, made zero, or had no need to touch.",
            labels=("op", "device"),
        )
        for (op, device), count in totals.bytes.items():
            moved.add_metric((op, device), count)
        yield moved

    def _jobs(self) -> Metric:
        counts = self._sources.counts()
        kinds = sorted({*self._sources.kinds, *(kind for kind, _ in counts)})
        family = GaugeMetricFamily(
            "longshore_jobs",
            "Jobs that are remembered, by their state.",
            labels=("kind", "state"),
        )
        for kind in kinds:
            for state in State:
                family.add_metric((kind, state.value), counts.get((kind, state), 0))
        return family

    def _pauses(self, totals: Totals) -> Metric:
        family = GaugeMetricFamily(
            "longshore_job_pauses",
            "Jobs that are kept paused, by who does it; error-policy waits for you.",
            labels=("kind", "holder"),
        )
        for kind in self._sources.kinds:
            for holder in Holder:
                count = totals.pauses.get((kind, holder.value), 0)
                family.add_metric((kind, holder.value), count)
        return family

    def _of_the_daemon(self) -> Iterator[Metric]:
        sources = self._sources
        yield GaugeMetricFamily(
            "longshore_watchers", "Watches that are open.", sources.watchers()
        )
        yield CounterMetricFamily(
            "longshore_watch_conflated",
            "Samples of progress that a watch skipped, since a newer one was there.",
            sources.conflated(),
        )
        commits = HistogramMetricFamily(
            "longshore_store_commit_seconds",
            "Time of one commit, which many calls may share: what an answer waits for.",
            labels=(),
        )
        _add(commits, (), sources.journal.commit_seconds.seen())
        yield commits
        yield GaugeMetricFamily(
            "longshore_store_healthy",
            "1 while changes can be stored; 0 until the next start once that failed.",
            sources.journal.healthy,
        )
        expires = GaugeMetricFamily(
            "longshore_certificate_expiry_timestamp_seconds",
            "When the certificate that we show ends; nothing without TLS.",
            labels=(),
        )
        if (when := sources.certificate_expires()) is not None:
            expires.add_metric((), when / SECOND)
        yield expires
        info = GaugeMetricFamily(
            "longshore_build_info", "1, and which build this is.", labels=("version",)
        )
        info.add_metric((__version__,), 1)
        yield info


def _times(totals: Totals) -> Iterator[Metric]:
    queued = HistogramMetricFamily(
        "longshore_job_queue_seconds",
        "Time from the making of a job to its first run.",
        labels=("kind",),
    )
    for kind, seen in totals.queued.items():
        _add(queued, (kind,), seen)
    yield queued
    ran = HistogramMetricFamily(
        "longshore_job_run_seconds",
        "Time from the first run of a job to its end.",
        labels=("kind", "state"),
    )
    for ended, seen in totals.ran.items():
        _add(ran, (ended.kind, ended.state.value), seen)
    yield ran
    waited = CounterMetricFamily(
        "longshore_throttle_wait_seconds",
        "Time that requests waited under a limit; those of one job add up.",
        labels=("kind",),
    )
    for kind, seconds in totals.throttled.items():
        waited.add_metric((kind,), seconds)
    yield waited
    unsaved = GaugeMetricFamily(
        "longshore_checkpoint_age_seconds",
        "What a kill would cost: of the jobs at work, the oldest last checkpoint.",
        labels=("kind",),
    )
    for kind, seconds in totals.unsaved.items():
        unsaved.add_metric((kind,), seconds)
    yield unsaved


def _add(
    family: HistogramMetricFamily, labels: tuple[str, ...], seen: Observed
) -> None:
    buckets = [(str(bound), float(count)) for bound, count in seen.cumulated]
    family.add_metric(labels, [*buckets, ("+Inf", float(seen.count))], seen.sum)
