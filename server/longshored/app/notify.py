"""What the service manager is told (sd_notify): up, alive, going down, and in words.

Without a manager, which is without NOTIFY_SOCKET, nobody is told and nothing is done.
"""

import contextlib
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

# A manager that is told twice in each of its intervals never misses one by a hair.
_TIMES_IN_INTERVAL = 2


@dataclass(frozen=True, slots=True)
class Manager:
    """`alive_seconds` is how often it wants to hear that we live, if it does."""

    address: str
    alive_seconds: float | None = None

    def ready(self, status: str) -> None:
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self, status: str) -> None:
        self._tell("STOPPING=1", f"STATUS={status}")

    def alive(self) -> None:
        self._tell("WATCHDOG=1")

    def says(self, status: str) -> None:
        self._tell(f"STATUS={status}")

    def _tell(self, *lines: str) -> None:
        if not self.address:
            return
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        # A manager that is gone or busy must not stop the daemon.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as out:
            out.sendto("\n".join(lines).encode(), self.address)


def manager_of(environment: Mapping[str, str], pid: int) -> Manager:
    """The manager that started this process; its word may be for another one."""
    address = environment.get("NOTIFY_SOCKET", "")
    if address.startswith("@"):
        address = f"\0{address[1:]}"
    microseconds = environment.get("WATCHDOG_USEC", "")
    is_ours = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    if not (address and is_ours and microseconds.isdecimal()):
        return Manager(address)
    return Manager(address, int(microseconds) / 1e6 / _TIMES_IN_INTERVAL)
