"""Longshore's client: jobs on disk images, volumes, domains and networks.

    from longshore import Client

    with Client() as client:
        job = client.pull("/srv/images/top.qcow2")
        job.wait()

Names are loaded when first used, so that a command line starts fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aio import AsyncClient, AsyncJob
    from .client import Client, JobHandle
    from .errors import (
        ConnectionFailed,
        HistoryLost,
        JobCancelled,
        JobFailed,
        LongshoreError,
        NotFound,
        TargetBusy,
        WrongState,
    )
    from .watch import Event, Progress, Resynced, Snapshot

__version__ = "0.1.0"

_HOMES = {
    "AsyncClient": "aio",
    "AsyncJob": "aio",
    "Client": "client",
    "JobHandle": "client",
    "ConnectionFailed": "errors",
    "HistoryLost": "errors",
    "JobCancelled": "errors",
    "JobFailed": "errors",
    "LongshoreError": "errors",
    "NotFound": "errors",
    "TargetBusy": "errors",
    "WrongState": "errors",
    "Event": "watch",
    "Progress": "watch",
    "Resynced": "watch",
    "Snapshot": "watch",
}

__all__ = [
    "AsyncClient",
    "AsyncJob",
    "Client",
    "ConnectionFailed",
    "Event",
    "HistoryLost",
    "JobCancelled",
    "JobFailed",
    "JobHandle",
    "LongshoreError",
    "NotFound",
    "Progress",
    "Resynced",
    "Snapshot",
    "TargetBusy",
    "WrongState",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
