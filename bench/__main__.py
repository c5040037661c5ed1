"""Speed, side by side with peers.

    python -m bench [ROW...] [--quick] [--directory DIR]

Each row prints what it measured, and its goal. The same work, in the same run, on
the same machine; results are flushed; page-cache state is stated. `--quick` runs
everything at tiny sizes: it shows that the rows work, its figures mean nothing.
"""

import argparse
import importlib
import tempfile
from pathlib import Path

from .report import Report, Run, machine

ROWS = {
    "pull": "flatten a 2 GiB chain, against qemu-img, block-stream and fio",
    "reflink": "the same on XFS and Btrfs, which share blocks (root)",
    "plan": "plan a pull of 1 TiB with 1 GiB of data",
    "throttle": "rate limits, seen from outside the process",
    "pausing": "pause and cancel: how soon the last write is over",
    "loop": "the event loop while four pulls run",
    "watch": "events to many watchers, against etcd",
    "jobs": "jobs that do nothing, against task queues",
    "history": "lists, start and memory with a million finished jobs",
    "memory": "memory of each running job",
    "clients": "a watch of each client, against its own raw stub",
}


def main() -> None:
    arguments = _arguments()
    report = Report()
    with tempfile.TemporaryDirectory(prefix="b", dir=arguments.directory) as name:
        directory = Path(name)
        print(machine(directory))
        for row in arguments.rows or ROWS:
            place = directory / row[:3]
            place.mkdir()
            module = importlib.import_module(f"{__package__}.{row}")
            module.measure(Run(place, report, arguments.quick, arguments.peers))
    report.summary()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Speed, side by side with peers.",
        epilog="\n".join(f"{name:<10}{what}" for name, what in ROWS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", choices=[*ROWS, []])
    parser.add_argument("--quick", action="store_true", help="tiny: no real figures")
    parser.add_argument(
        "--no-peers", dest="peers", action="store_false", help="only ours: no ratios"
    )
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    return parser.parse_args()


if __name__ == "__main__":
    main()
