"""The data writes of a daemon, seen from outside: strace gives the time of each.

strace stops the daemon's threads only at the write calls named here (a seccomp
filter lets everything else pass untouched), so what it costs is some 50
microseconds a write. Its clock is the wall clock of this machine, as ours is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_CALLS = "pwritev,pwritev2,pwrite64"
_LINE = re.compile(
    r"(?P<time>\d+\.\d+) (?P<call>pwrite\w+)\(\d+<(?P<path>[^>]*)>.*"
    r" = (?P<bytes>\d+) <(?P<took>\d+\.\d+)>"
)


@dataclass(frozen=True, slots=True, order=True)
class Write:
    """One write: when it was over, by the wall clock in seconds, and how much.

    The copy engine writes with pwritev and pwritev2; tables of an image go by
    pwrite.
    """

    ended: float
    length: int
    is_data: bool


def tracing(directory: Path) -> tuple[str, ...]:
    """The command that traces a daemon into files of a directory, one a thread."""
    directory.mkdir()
    return (
        *("strace", "-D", "-ff", "--seccomp-bpf", "-o", str(directory / "t")),
        *("-e", f"trace={_CALLS}", "-e", "signal=none", "-e", "verbose=none"),
        *("-s", "0", "-y", "-ttt", "-T"),
    )


def writes_to(directory: Path, path: Path) -> list[Write]:
    """Every write to a file so far, in the order in which they ended."""
    return sorted(_writes(directory, str(path)))


def _writes(directory: Path, path: str) -> Iterator[Write]:
    for file in directory.iterdir():
        for line in file.read_text().splitlines():
            found = _LINE.match(line)
            if found is not None and found["path"] == path:
                ended = float(found["time"]) + float(found["took"])
                is_data = found["call"].startswith("pwritev")
                yield Write(ended, int(found["bytes"]), is_data)
