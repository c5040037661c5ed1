"""How fast a chain is pulled into its top, against QEMU and against the device.

    python -m bench pull                 through the service, as a row of the bench
    python -m bench.pull --through driver [--tunings drop/3/512,direct/4/512] ...

2 GiB virtual; the top holds 10 % in 596 scattered runs; the base is full of random
bytes. The same files for all, the top copied anew for each run, every result
flushed. The first round is checked by `qemu-img compare` and `check`. A peer's time
includes its start, as whoever flattens an image by it pays for that; the daemon runs.
"""

import argparse
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from longshore.v1 import job_pb2
from longshored.block.copy.feed import BatchLimits
from longshored.block.copy.sink import Way
from longshored.block.copy.turns import Turns
from longshored.block.roots import Roots
from longshored.drivers.pull import PullDriver
from longshored.drivers.pull_batches import MEASURED, Tuning
from longshored.job.spec import ImageRef, PullSpec
from longshored.units import round_down

from .daemon import served
from .images import full_base
from .inprocess import run_job
from .peers import (
    Series,
    block_stream,
    drop_cache,
    fio_write_rate,
    flush_file,
    missing,
    qemu_rebase,
    run,
    timed,
    warm_cache,
)
from .report import GiB, MiB, Report, Run, machine

CLUSTER = 64 * 1024
SIZE = 2 * GiB
HELD = 208 * MiB
RUNS = 596

# At least so many times the faster peer, and per cent of the device's rate.
GOALS = {"raw": 1.6, "qcow2": 2.2}
OF_THE_DEVICE = 90

OURS = "longshore"

Puller = Callable[[Path], object]


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured, and how often."""

    directory: Path  # where the images lie
    size: int
    rounds: int
    cache: str  # of the base: "warm" or "cold"
    device: bool = True  # fio measures what the disk can do

    @property
    def to_copy(self) -> int:
        return self.size - self._scaled(HELD)

    @property
    def runs(self) -> int:
        return max(1, self._scaled(RUNS))

    @property
    def run_length(self) -> int:
        return round_down(HELD // RUNS, CLUSTER)

    def _scaled(self, value: int) -> int:
        return value * self.size // SIZE


@dataclass(frozen=True, slots=True)
class Chain:
    top: Path
    base: Path


def measure(bench: Run) -> None:
    """The row of the bench: through the service, warm, against both peers."""
    measure_in(bench.directory, bench, device=True)


def measure_in(
    directory: Path, bench: Run, *, device: bool, where: str = "pull"
) -> None:
    """The same on any file system; the device is of no account where blocks are
    shared."""
    programs = ["qemu-img", "qemu-io", "qemu-storage-daemon", "fio"]
    if names := missing(programs if bench.peers else programs[:2]):
        raise SystemExit(f"Not installed: {', '.join(names)}")
    with served(directory) as daemon, daemon.connect() as stubs:

        def pull(top: Path) -> None:
            job = stubs.ended(stubs.pull(top).job_id)
            assert job.state == job_pb2.JOB_STATE_SUCCEEDED, job

        work = Work(daemon.root, bench.of(SIZE, 64 * MiB), bench.of(5, 1), "warm")
        work = replace(work, device=device and bench.peers)
        for format_ in GOALS:
            pullers = {OURS: pull, **(PEERS if bench.peers else {})}
            series, disk = compare(work, format_, pullers, bench.report)
            if bench.peers:
                _judge(bench.report, f"{where}, {format_} base", series, format_)
            if work.device:
                share = disk.median / series[OURS].median * 100
                name = f"{where}, {format_} base, device"
                bench.report.at_least(name, share, OF_THE_DEVICE, " %")


PEERS: Mapping[str, Puller] = {
    "qemu-img rebase -b ''": qemu_rebase,
    "qemu-storage-daemon block-stream": block_stream,
}


def compare(
    work: Work, format_: str, pullers: Mapping[str, Puller], report: Report
) -> tuple[dict[str, Series], Series]:
    """Every puller in turn, round after round, and the device in each round."""
    report.title(
        f"pull: {work.size / GiB:g} GiB, {format_} base, cache {work.cache}, "
        f"{work.rounds} rounds"
    )
    chain = _make(work, format_)
    series = {name: Series(name) for name in pullers}
    device = Series("fio direct sequential write")
    for number in range(work.rounds):
        for name, pull in pullers.items():
            top = _fresh(chain, work.cache)
            with timed(series[name]):
                pull(top)
            if number == 0:
                _verify(chain, top)
            top.unlink()
        if work.device:
            rate = fio_write_rate(work.directory, work.to_copy)
            device.seconds.append(work.to_copy / rate)
    for one in (*series.values(), *([device] if work.device else [])):
        report.say(f"{one}   {work.to_copy / one.median / 1e9:5.2f} GB/s")
    chain.base.unlink()
    chain.top.unlink()
    return series, device


def _judge(report: Report, work: str, series: dict[str, Series], format_: str) -> None:
    best = min((series[name] for name in PEERS), key=lambda peer: peer.median)
    report.say(f"the faster peer: {best.name}")
    ratio = best.median / series[OURS].median
    report.at_least(f"{work}, faster peer", ratio, GOALS[format_], "x")


def _make(work: Work, format_: str) -> Chain:
    base = work.directory / f"base.{format_}"
    raw = full_base(work.directory / "base.raw", work.size)
    if format_ != "raw":
        run("qemu-img", "convert", "-f", "raw", "-O", format_, raw, base)
        raw.unlink()
    top = work.directory / "held.qcow2"
    run(
        *("qemu-img", "create", "-q", "-f", "qcow2", "-b", base.name),
        *("-F", format_, top),
    )
    run("qemu-io", "-f", "qcow2", *_scattered_writes(work), top)
    flush_file(base)
    return Chain(top, base)


def _scattered_writes(work: Work) -> list[str]:
    """Words for qemu-io: runs of some clusters each, never side by side."""
    length = work.run_length
    slots = range(work.size // (2 * length))
    places = sorted(random.Random(2).sample(slots, work.runs))
    commands = (
        f"write -q -P {1 + number % 250} {2 * length * place} {length}"
        for number, place in enumerate(places)
    )
    return [word for command in commands for word in ("-c", command)]


def _fresh(chain: Chain, cache: str) -> Path:
    """A copy of the top, on disk; the base in the cache or not."""
    top = chain.top.with_name("work.qcow2")
    shutil.copyfile(chain.top, top)
    flush_file(top)
    if cache == "cold":
        drop_cache(chain.base)
        drop_cache(top)
    else:
        warm_cache(chain.base)
    return top


def _verify(chain: Chain, top: Path) -> None:
    run("qemu-img", "compare", "-f", "qcow2", "-F", "qcow2", chain.top, top)
    run("qemu-img", "check", "-q", "-f", "qcow2", top)
    if "backing file" in run("qemu-img", "info", "-f", "qcow2", top):
        raise SystemExit("The backing file is still there")


# By hand: the driver alone, in this process, to choose between ways of moving bytes.


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        directory, report = Path(name), Report()
        print(machine(directory))
        if arguments.through == "service":
            measure(Run(directory, report, quick=False))
            return
        work = Work(directory, SIZE, arguments.rounds, arguments.cache)
        pullers = dict(_drivers(directory, arguments.tunings))
        if not arguments.no_peers:
            pullers |= PEERS
        for format_ in GOALS:
            compare(work, format_, pullers, report)


def _drivers(directory: Path, names: str) -> Iterator[tuple[str, Puller]]:
    """'' is what production uses; else e.g. `direct/4/512`: way, workers, MiB."""
    for name in names.split(","):
        yield f"driver {name}".strip(), _driver(directory, _tuning(name))


def _tuning(name: str) -> Tuning:
    if not name:
        return MEASURED
    way, workers, batch = name.split("/")
    limits = BatchLimits(length=int(batch) * MiB)
    return Tuning(int(workers), (Way(way), Way.CACHED), limits, reflinks=False)


def _driver(directory: Path, tuning: Tuning) -> Puller:
    def pull(top: Path) -> None:
        roots = Roots.open([str(directory)])
        try:
            spec = PullSpec(ImageRef(str(top), "qcow2"))
            run_job(PullDriver(roots, Turns(), tuning), spec)
        finally:
            roots.close()

    return pull


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.pull", description=__doc__)
    parser.add_argument("--through", choices=("service", "driver"), default="service")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cache", choices=("warm", "cold"), default="warm")
    parser.add_argument("--directory", help="on the disk to be measured")
    parser.add_argument("--tunings", default="", help="way/workers/MiB, comma between")
    parser.add_argument("--no-peers", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
