"""Who holds the lock bytes of an image: process and permissions, by /proc.

The kernel's answer to a probe names nobody (an OFD lock has no owner process),
but `/proc/<pid>/fdinfo/<fd>` lists the locks of each descriptor. Looking into
another user's process takes privilege; what could not be looked into is counted.
"""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from ..errors import Kind, ServiceError
from .locks import NOTHING, UNSHARED, USES, Clash, LockRow, Permission
from .node import Identity

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
    """All holders found, and how many processes would not let us look."""

    holders: tuple[Holder, ...]
    hidden_processes: int

    def blocking(self, clashes: Iterable[Clash]) -> Holder | None:
        """A holder whose locks explain one of the clashes; a stranger comes first.

        Who shares this process can be asked; of a stranger only the name is known.
        """
        wanted = {clash.byte for clash in clashes}
        found = [h for h in self.holders if wanted & h.row.offsets()]
        return min(found, key=lambda holder: holder.is_self, default=None)


def survey(files: Collection[Identity]) -> Survey:
    """Look through every process for locks on these files.

    A process that ends while we look is none.
    """
    holders: list[Holder] = []
    hidden = 0
    for pid in _pids():
        try:
            rows = _locks_of(pid, files)
        except PermissionError:
            hidden += 1
            continue
        except (FileNotFoundError, ProcessLookupError):
            continue
        for identity, row in rows.items():
            holders.append(Holder(pid, _command(pid), row, identity))
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
            "the holder is hidden: this server lacks the privilege to look into "
            f"{found.hidden_processes} processes"
        )
    return "the holder is on another host, or has just gone"


def _pids() -> Iterator[int]:
    with os.scandir(_PROC) as entries:
        pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
    yield from sorted(pids)


def _locks_of(pid: int, files: Collection[Identity]) -> dict[Identity, LockRow]:
    rows: dict[Identity, LockRow] = {}
    for fd in os.listdir(f"{_PROC}/{pid}/fd"):  # noqa: PTH208 - names are numbers
        try:
            # stat follows the link to the open file itself, whatever its name now.
            identity = Identity.of(os.stat(f"{_PROC}/{pid}/fd/{fd}"))  # noqa: PTH116
            if identity not in files:
                continue
            row = _locks_in(_read(f"{_PROC}/{pid}/fdinfo/{fd}"))
        except FileNotFoundError:
            continue  # closed since the directory was listed
        if row != NOTHING:
            rows[identity] = rows.get(identity, NOTHING) | row
    return rows


def _locks_in(fdinfo: str) -> LockRow:
    """The lock bytes in rows such as `lock: 1: OFDLCK ADVISORY READ -1 … 100 101`."""
    row = NOTHING
    for line in fdinfo.splitlines():
        if line.startswith("lock:") and "OFDLCK" in line:
            first, last = line.split()[-2:]
            # The kernel joins neighbours, so a row is a range.
            held = range(int(first), 1 << 63 if last == "EOF" else int(last) + 1)
            row |= LockRow(_in_range(USES, held), _in_range(UNSHARED, held))
    return row


def _in_range(base: int, held: range) -> Permission:
    found = Permission.NONE
    for index, one in enumerate(Permission):
        if base + index in held:
            found |= one
    return found


def _command(pid: int) -> str:
    """The program's name. Not its arguments: they may carry secrets."""
    try:
        program = _read(f"{_PROC}/{pid}/cmdline").split("\0", 1)[0]
        name = program.rpartition("/")[2] or _read(f"{_PROC}/{pid}/comm")
    except OSError:
        return "unknown"
    return name.strip()


def _read(path: str) -> str:
    with open(path, errors="replace") as file:  # noqa: PTH123 - /proc, hot loop
        return file.read()
