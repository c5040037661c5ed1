"""Events to many watchers at saturation, against etcd's own watch.

Both serve from CPU 0 alone; watchers and publishers share CPU 1. Both are read by
the same client (`http2`), over loopback TCP. Ours publishes by groups of jobs that
are to start in a hundred years, and by cancelling them: no work is done, but each job
makes three durable changes, and each watcher gets each of them with the whole job.
etcd publishes by puts of a value as long as our event: one by one, and by
transactions as large as our groups; ours is compared with both. A rate is events
delivered to all watchers, from the first call to the last frame.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import watch_pb2

from .daemon import PATIENCE, Served, Stubs, cpu_seconds, pull, resident, served
from .etcd import WATCH, Etcd, etcd, watch_request
from .peers import missing
from .report import Run

SENTINEL = b"the-end-of-it-all"
ROUNDS = 5
WATCHERS = (100, 1000)
MANY = 5000
MEMBERS = 50  # of a group
# Changes for so many watchers: some seconds at the rates to be reached.
GROUPS = {100: 120, 1000: 24}
FAR = 4_000_000_000  # an earliest start, seconds since 1970
PUTS = {100: 8000, 1000: 1200}
# In transactions: so many in one, and so many times as many.
TOGETHER = MEMBERS
MORE = 5
PATH = "/longshore.v1.JobService/WatchJobs"
REQUEST = watch_pb2.WatchJobsRequest(
    from_now=watch_pb2.WatchJobsRequest.FromNow(), omit_progress=True
).SerializeToString()


@dataclass(frozen=True, slots=True)
class Fan:
    """One run: events delivered a second, and what it took."""

    rate: float
    best: float  # of all rounds
    event_bytes: float
    busy: float  # of the server's CPU
    opened: float  # seconds until every stream had said something
    watcher_kib: float


class Streams:
    """A process with watchers; `opened` when all are, `ended` when all are through."""

    def __init__(
        self, run: Run, port: int, path: str, count: int, request: bytes, *, ends: bool
    ) -> None:
        self.file = run.directory / "first"
        words = (path, count, request.hex(), "yes" if ends else "no", SENTINEL.hex())
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bench.watchers", "127.0.0.1", str(port)),
                *(str(word) for word in words),
                str(self.file),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> dict[str, float]:
        assert self._process.stdout is not None
        text = self._process.stdout.readline()
        if not text:
            raise SystemExit("the watchers went away")
        facts: dict[str, float] = json.loads(text)
        return facts

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def measure(run: Run) -> None:
    run.report.title("watch: events to many watchers, server on CPU 0, clients on 1")
    server = _pin()
    try:
        ours = _ours(run, server)
        length = int(ours[WATCHERS[0]].event_bytes)
        theirs = _theirs(run, server, length) if run.peers else {}
    finally:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    for (count, name), best in theirs.items():
        # Its best round: in the others the puts may have come too slowly for it.
        ratio = ours[count].rate / best
        run.report.at_least(f"watch, {count:,} watchers, {name}", ratio, 3, "x")
    most = max(fan.watcher_kib for fan in ours.values())
    run.report.at_most("watch, memory of a watcher", most, 25, " KiB")


def _pin() -> int | None:
    if (os.cpu_count() or 1) < 2:
        return None
    os.sched_setaffinity(0, {1})
    return 0


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _ours(run: Run, cpu: int | None) -> dict[int, Fan]:
    found = {}
    directory = run.directory / "o"
    directory.mkdir()
    with (
        served(directory, does_nothing=True, cpu=cpu, port=_port()) as daemon,
        daemon.connect() as stubs,
    ):
        for count in WATCHERS:
            fans = []
            for _ in range(run.of(ROUNDS, 1)):
                fans.append(_our_round(run, daemon, stubs, count))
            found[count] = _say(run, "longshore", count, fans)
        _open_many(run, daemon)
    return found


def _our_round(run: Run, daemon: Served, stubs: Stubs, count: int) -> Fan:
    assert daemon.port is not None
    before = resident(daemon.pid)
    streams = Streams(run, daemon.port, PATH, count, REQUEST, ends=True)
    try:
        opened = streams.line()["opened"]
        each = (resident(daemon.pid) - before) / count / 1024
        head = _head(stubs)
        used, began = cpu_seconds(daemon.pid), time.time()
        groups = [_group(n) for n in range(run.of(GROUPS[count], 1))]
        _come_and_go(stubs, groups)
        changes = _head_at_rest(stubs) - head
        used, took = cpu_seconds(daemon.pid) - used, time.time() - began
        stubs.jobs.CreateJob(_sentinel(), timeout=PATIENCE)
        end = streams.line()
        _check(streams.file, head, changes)
    finally:
        streams.end()
    return Fan(
        rate=(rate := changes * count / (end["last"] - began)),
        best=rate,
        event_bytes=end["bytes"] / count / changes,
        busy=used / took,
        opened=opened,
        watcher_kib=each,
    )


def _group(number: int) -> pb.CreateJobGroupRequest:
    request = pb.CreateJobGroupRequest()
    for member in range(MEMBERS):
        job = request.members.add()
        job.info.CopyFrom(pull(f"/i/{number}-{member}").info)
        job.options.earliest_start_time.FromSeconds(FAR)
    return request


def _come_and_go(stubs: Stubs, groups: list[pb.CreateJobGroupRequest]) -> None:
    """Create every group, and cancel it: with one member go all."""
    made = [stubs.jobs.CreateJobGroup.future(group) for group in groups]
    firsts = [call.result(PATIENCE).jobs[0].job_id for call in made]
    requests = [pb.CancelJobRequest(job_id=job_id) for job_id in firsts]
    for answer in [stubs.jobs.CancelJob.future(request) for request in requests]:
        answer.result(PATIENCE)


def _sentinel() -> pb.CreateJobRequest:
    request = pull("/i/sentinel")
    request.labels["end"] = SENTINEL.decode()
    return request


def _head(stubs: Stubs) -> int:
    answer = stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=1), timeout=PATIENCE)
    return int(answer.cursor.revision)


def _head_at_rest(stubs: Stubs) -> int:
    head = _head(stubs)
    while True:
        time.sleep(0.1)
        if (now := _head(stubs)) == head:
            return head
        head = now


def _check(file: Path, head: int, changes: int) -> None:
    """The first watcher got every change exactly once, in order."""
    body, at = file.read_bytes(), 0
    seen: list[int] = []
    while at + 5 <= len(body):
        stop = at + 5 + int.from_bytes(body[at + 1 : at + 5], "big")
        if stop > len(body):
            break
        frame = watch_pb2.WatchJobsResponse.FromString(body[at + 5 : stop])
        seen.extend(event.revision for event in frame.events.events)
        at = stop
    assert seen[:changes] == list(range(head + 1, head + 1 + changes)), "not all"


def _open_many(run: Run, daemon: Served) -> None:
    count = run.of(MANY, 100)
    assert daemon.port is not None
    taken = []
    for _ in range(run.of(ROUNDS, 1)):
        streams = Streams(run, daemon.port, PATH, count, REQUEST, ends=True)
        try:
            taken.append(streams.line()["opened"])
        finally:
            streams.end()
    run.report.say(f"{count:,} streams opened in " + _range(taken, "s"))
    middle = statistics.median(taken)
    run.report.at_most(f"watch, {count:,} streams open, median", middle, 2, " s")


def _theirs(run: Run, cpu: int | None, length: int) -> dict[tuple[int, str], float]:
    """The best rate of all rounds, by watchers and how it was published."""
    if names := missing(["etcd"]):
        raise SystemExit(f"Not installed: {', '.join(names)}")
    found = {}
    for count in WATCHERS:
        for name, publish in PUBLISH.items():
            fans = []
            for number in range(run.of(ROUNDS, 1)):
                directory = run.directory / f"e{count}-{number}-{publish.__name__}"
                directory.mkdir()
                with etcd(directory, cpu, _port()) as server:
                    fans.append(_their_round(run, server, count, length, publish))
            found[count, name] = _say(run, name, count, fans).best
    return found


Publish = Callable[[Etcd, int, bytes], int]


def _one_by_one(server: Etcd, puts: int, value: bytes) -> int:
    server.put(b"k", (value for _ in range(puts)))
    return puts


def _together(server: Etcd, puts: int, value: bytes) -> int:
    times = max(1, puts * MORE // TOGETHER)
    server.put_together([value] * TOGETHER for _ in range(times))
    return times * TOGETHER


PUBLISH: dict[str, Publish] = {
    "etcd": _one_by_one,
    f"etcd in {TOGETHER}s": _together,
}


def _their_round(
    run: Run, server: Etcd, count: int, length: int, publish: Publish
) -> Fan:
    before = resident(server.pid)
    request = watch_request(b"k")
    with _streams(run, server.port, WATCH, count, request) as streams:
        opened = streams.line()["opened"]
        each = (resident(server.pid) - before) / count / 1024
        used, began = cpu_seconds(server.pid), time.time()
        puts = publish(server, run.of(PUTS[count], 20), b"v" * length)
        used, took = cpu_seconds(server.pid) - used, time.time() - began
        time.sleep(1.0)
        server.put(b"k", iter([SENTINEL]))
        end = streams.line()
    return Fan(
        rate=(rate := puts * count / (end["last"] - began)),
        best=rate,
        event_bytes=end["bytes"] / count / puts,
        busy=used / took,
        opened=opened,
        watcher_kib=each,
    )


@contextmanager
def _streams(
    run: Run, port: int, path: str, count: int, request: bytes
) -> Iterator[Streams]:
    streams = Streams(run, port, path, count, request, ends=False)
    try:
        yield streams
    finally:
        streams.end()


def _say(run: Run, name: str, count: int, fans: list[Fan]) -> Fan:
    """Prints the rounds; the medians of all that was measured."""

    def median(of: Callable[[Fan], float]) -> float:
        return statistics.median(map(of, fans))

    middle = Fan(
        rate=median(lambda fan: fan.rate),
        best=max(fan.best for fan in fans),
        event_bytes=median(lambda fan: fan.event_bytes),
        busy=median(lambda fan: fan.busy),
        opened=median(lambda fan: fan.opened),
        # Later rounds find memory that earlier ones have freed.
        watcher_kib=max(fan.watcher_kib for fan in fans),
    )
    rates = _range([fan.rate / 1e3 for fan in fans], "k events/s")
    run.report.say(
        f"{name}, {count:,} watchers: {rates}, {middle.event_bytes:.0f} B an event, "
        f"server {middle.busy:.0%} busy, {middle.watcher_kib:.1f} KiB a watcher, "
        f"open in {middle.opened:.2f} s"
    )
    return middle


def _range(values: list[float], unit: str) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):.3g} [{low:.3g} .. {high:.3g}] {unit}"
