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
    from .aio import (
        AsyncClient,
        AsyncJob,
    )
    from .aiostream import (
        AsyncWatch,
    )
    from .client import (
        Client,
        JobHandle,
    )
    from .credentials import (
        Credentials,
    )
    from .errors import (
        AlreadyExists,
        Cancelled,
        Conflict,
        ConnectionFailed,
        DataLoss,
        DeadlineExceeded,
        FieldViolation,
        HistoryGone,
        HistoryLost,
        ImageRefused,
        Internal,
        Interrupted,
        InvalidRequest,
        JobCancelled,
        JobEnded,
        JobFailed,
        LimitReached,
        LongshoreError,
        NoSpace,
        NotFound,
        PermissionDenied,
        ServiceError,
        TargetBusy,
        Unavailable,
        Unsupported,
        WrongState,
    )
    from .requests import (
        Submit,
    )
    from .stream import (
        Watch,
    )
    from .watch import (
        Event,
        Progress,
        Resynced,
        Snapshot,
    )

__version__ = "0.1.0"

_HOMES = {
    "aio": (
        "AsyncClient",
        "AsyncJob",
    ),
    "aiostream": ("AsyncWatch",),
    "client": (
        "Client",
        "JobHandle",
    ),
    "credentials": ("Credentials",),
    "errors": (
        "AlreadyExists",
        "Cancelled",
        "Conflict",
        "ConnectionFailed",
        "DataLoss",
        "DeadlineExceeded",
        "FieldViolation",
        "HistoryGone",
        "HistoryLost",
        "ImageRefused",
        "Internal",
        "Interrupted",
        "InvalidRequest",
        "JobCancelled",
        "JobEnded",
        "JobFailed",
        "LimitReached",
        "LongshoreError",
        "NoSpace",
        "NotFound",
        "PermissionDenied",
        "ServiceError",
        "TargetBusy",
        "Unavailable",
        "Unsupported",
        "WrongState",
    ),
    "requests": ("Submit",),
    "stream": ("Watch",),
    "watch": (
        "Event",
        "Progress",
        "Resynced",
        "Snapshot",
    ),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AlreadyExists",
    "AsyncClient",
    "AsyncJob",
    "AsyncWatch",
    "Cancelled",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Credentials",
    "DataLoss",
    "DeadlineExceeded",
    "Event",
    "FieldViolation",
    "HistoryGone",
    "HistoryLost",
    "ImageRefused",
    "Internal",
    "Interrupted",
    "InvalidRequest",
    "JobCancelled",
    "JobEnded",
    "JobFailed",
    "JobHandle",
    "LimitReached",
    "LongshoreError",
    "NoSpace",
    "NotFound",
    "PermissionDenied",
    "Progress",
    "Resynced",
    "ServiceError",
    "Snapshot",
    "Submit",
    "TargetBusy",
    "Unavailable",
    "Unsupported",
    "Watch",
    "WrongState",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
