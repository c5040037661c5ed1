"""Who holds the lock bytes of an image: process and permissions, by /proc.

The kernel's answer to a probe names nobody (an OFD lock has no owner process),
but /proc lists the locks of each process. Looking into another user's process takes
privilege; what could not be looked into is counted.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ..errors import Kind, ServiceError
from .locks import Clash, LockRow
from .node import Identity
from .proclocks import locks_of, read

_PROC = "/proc"


@dataclass(frozen=True, slots=True)
class Holder:
    """A process with lock bytes on an image. Our own pid: another job of ours."""

    pid: int
    command: str
    row: LockRow
    identity: Identity

    @property
    def is_self(self) -> bool:
        return self.pid == os.getpid()


@dataclass(frozen=True, slots=True)
class Survey:
    """All holders found, and how many processes could hide more."""

    holders: tuple[Holder, ...]
    hidden_processes: int

    def blocking(self, clashes: Iterable[Clash]) -> Holder | None:
        """A holder whose locks explain one of the clashes; a stranger comes first.

        Who shares this process can be asked; of a stranger only the name is known.
        """
        wanted = {clash.byte for clash in clashes}
        found = [h for h in self.holders if wanted & h.row.offsets()]
        return min(found, key=lambda holder: holder.is_self, default=None)


def survey(files: Collection[Identity], proc: str = _PROC) -> Survey:
    """Look through every process for locks on these files.

    A process that ends while we look is none.
    """
    holders: list[Holder] = []
    hidden = 0
    for pid in _pids(proc):
        found = locks_of(f"{proc}/{pid}", files)
        hidden += found.hides
        for identity, row in found.rows.items():
            command = _command(f"{proc}/{pid}")
            holders.append(Holder(pid, command, row, identity))
    return Survey(tuple(holders), hidden)


def busy_error(
    uri: str, clashes: tuple[Clash, ...], identity: Identity
) -> ServiceError:
    """TARGET_BUSY that names the process in the way, or says why it cannot."""
    found = survey({identity})
    holder = found.blocking(clashes)
    return ServiceError(
        Kind.TARGET_BUSY,
        f"Failed to get {_quoted(clashes)} lock; {_in_the_way(holder, found)}",
        uri=uri,
        permission=", ".join(map(str, clashes)),
        pid=holder.pid if holder else None,
        command=holder.command if holder else None,
        hidden_processes=None if holder else found.hidden_processes,
    )


def _quoted(clashes: tuple[Clash, ...]) -> str:
    first = clashes[0]
    word = str(first).removeprefix("shared ")
    return f'shared "{word}"' if first.shared else f'"{word}"'


def _in_the_way(holder: Holder | None, found: Survey) -> str:
    if holder is not None:
        return f"{holder.command} (pid {holder.pid}) uses the image"
    if found.hidden_processes:
        return (
            "the holder is hidden: this server cannot look into "
            f"{found.hidden_processes} processes"
        )
    return "the holder is on another host, or has just gone"


def _pids(proc: str) -> Iterator[int]:
    with os.scandir(proc) as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    yield from sorted(pids)


def _command(process: str) -> str:
    """The program's name. Not its arguments: they may carry secrets."""
    try:
        program = read(f"{process}/cmdline").split("\0", 1)[0]
        name = program.rpartition("/")[2] or read(f"{process}/comm")
    except OSError:
        return "unknown"
    return name.strip()
