"""S1: what the daemon opens, from a log of its system calls and not from its words."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.faults.arena import Arena
from tests.faults.calls import READERS, ask, create_at
from tests.faults.hall import Hall, open_hall
from tests.faults.names import NAMES
from tests.faults.references import REFERENCES
from tests.support.needs import need

pytestmark = pytest.mark.slow

CALLS = "open,openat,openat2,connect,socket"

# `openat2(5</images>, "name", {...}) = 7</images/name>`: what it became is at the end.
_OPENED = re.compile(r"\bopen(?:at2?)?\(.*\) += \d+<(.*)>$")

# Who holds an image is read from here; of other processes nothing else.
_PROC = re.compile(r"/proc(/locks|/\d+(/(fd|fdinfo|comm|cmdline)(/\d+)?)?)?")

# The interpreter, its libraries, and what they look at when they are loaded.
_SYSTEM = (
    "/usr/",
    "/lib",
    "/etc/ld.so",
    "/etc/local",
    "/etc/ssl/",
    "/dev/null",
    "/dev/urandom",
    "/sys/",
    "/proc/sys/net/core/somaxconn",
)


@pytest.fixture(scope="module")
def trace() -> Iterator[tuple[list[str], Arena]]:
    """The system calls of a daemon that was asked for every trap there is."""
    need(shutil.which("strace") is not None, "strace")
    with TemporaryDirectory(prefix="ls-trace-") as directory:
        log = Path(directory) / "log"
        wrapper = ("strace", "-f", "-y", "--seccomp-bpf", "-e", CALLS, "-o", str(log))
        with open_hall(*wrapper) as hall:
            _spring(hall)
        yield log.read_text(errors="surrogateescape").splitlines(), hall.arena


def _spring(hall: Hall) -> None:
    for vector in REFERENCES:
        top = vector.build(hall.arena, hall.new_name())
        for call in READERS.values():
            ask(call, hall.client, str(top))
    for name in NAMES:
        for call in (*READERS.values(), create_at):
            ask(call, hall.client, hall.fill(name.text))


@pytest.mark.timeout(180)
def test_nothing_outside_the_roots_is_ever_opened(
    trace: tuple[list[str], Arena],
) -> None:
    lines, arena = trace
    opened = [found[1] for line in lines if (found := _OPENED.search(line))]
    assert sum(path.startswith(f"{arena.root}/") for path in opened) > 500
    assert {path for path in opened if not _is_own(path, arena)} == set()


@pytest.mark.timeout(180)
def test_no_connection_is_made_to_anywhere(trace: tuple[list[str], Arena]) -> None:
    lines, _ = trace
    assert [line for line in lines if " connect(" in line] == []


def _is_own(path: str, arena: Arena) -> bool:
    state = arena.directory / "state"
    code = [Path(folder) for folder in sys.path if folder]
    trees = (arena.root, state, Path(sys.prefix), Path(sys.base_prefix), *code)
    return (
        any(Path(path).is_relative_to(tree) for tree in trees)
        or path == f"{arena.directory}/longshored.sock.lock"
        or path.startswith(_SYSTEM)
        or _PROC.fullmatch(path) is not None
    )
