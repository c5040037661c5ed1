"""Every setting there is, with its default. Sections and keys are those of the file."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_type_hints

DAY = 86400.0

LOG_FORMATS = ("auto", "json", "console")
LOG_LEVELS = ("debug", "info", "warning", "error")
ROLES = ("none", "viewer", "operator", "admin")

SYSTEM_ADDRESS = "unix:/run/longshore/longshored.sock"
SYSTEM_STATE = Path("/var/lib/longshore")


class Form(Enum):
    """What a value must be beyond its type, in the words of an error."""

    COUNT = "a whole number, 0 or more, of at most 2147483647"
    POSITIVE = "a whole number, 1 or more, of at most 2147483647"
    RATE = 'bytes a second: a whole number, 0 or more, or text such as "50MiB"'
    SPAN = 'a time of at most 36500d: seconds, or text such as "7d" or "1h30m"'
    PATHS = "absolute paths"


Count = Annotated[int, Form.COUNT]
Positive = Annotated[int, Form.POSITIVE]
Rate = Annotated[int, Form.RATE]
Span = Annotated[float, Form.SPAN]
Paths = Annotated[tuple[str, ...], Form.PATHS]


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where and how the daemon listens: "unix:PATH" or "HOST:PORT".

    A limit of one caller that is 0 is none.
    """

    listen: tuple[str, ...] = field(default_factory=lambda: (default_address(),))
    insecure: bool = False
    most_calls: Positive = 1000
    caller_calls_per_second: Count = 0
    stop_seconds: Span = 10.0


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """PEM files of TLS, which all TCP speaks then: our certificate with its chain,
    its key, and the CA of callers, who need a certificate if it is given."""

    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who is what: by a name in a certificate ("dns:NAME", "uri:NAME"), by a token,
    or by where the call comes in: the unix socket, TCP without TLS."""

    viewers: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    token_file: Path | None = None
    socket_role: str = "admin"
    insecure_role: str = "operator"


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where jobs are remembered."""

    directory: Path = field(default_factory=lambda: default_state())


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Directories below which images may lie; nothing outside is ever opened.

    `reflink`: images may share blocks, where their file system offers that.
    """

    roots: Paths = ()
    reflink: bool = True


@dataclass(frozen=True, slots=True)
class JobSettings:
    """How many jobs, and how fast all of them and those on one device. 0: no limit."""

    slots: Positive = 4
    slots_per_device: Positive = 4
    most_unfinished: Positive = 100_000
    most_unfinished_per_caller: Count = 0
    speed_bytes_per_second: Rate = 0
    iops: Count = 0
    device_speed_bytes_per_second: Rate = 0
    device_iops: Count = 0


@dataclass(frozen=True, slots=True)
class RetentionSettings:
    """How long finished jobs are kept, by outcome. 0: for ever."""

    succeeded: Span = 7 * DAY
    failed: Span = 30 * DAY
    cancelled: Span = 7 * DAY


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """How many watches: of all, of one connection, and (0: no limit) of one caller."""

    most: Positive = 10_000
    most_per_client: Positive = 6_000
    most_per_caller: Count = 0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`auto` is console on a terminal, else json."""

    format: str = "auto"
    level: str = "info"


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Where Prometheus may ask, "HOST:PORT", without TLS. None: no metrics."""

    listen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TracesSettings:
    """Where spans are sent, URLs that take OTLP over HTTP. None: no traces."""

    endpoints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    server: ServerSettings = field(default_factory=ServerSettings)
    tls: TlsSettings = field(default_factory=TlsSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    store: StoreSettings = field(default_factory=StoreSettings)
    images: ImageSettings = field(default_factory=ImageSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    watch: WatchSettings = field(default_factory=WatchSettings)
    log: LogSettings = field(default_factory=LogSettings)
    metrics: MetricsSettings = field(default_factory=MetricsSettings)
    traces: TracesSettings = field(default_factory=TracesSettings)


def settings() -> Iterator[tuple[str, Any]]:
    """Every setting as "section.key", and its type."""
    for section, kind in get_type_hints(Config).items():
        for key, type_ in get_type_hints(kind, include_extras=True).items():
            yield f"{section}.{key}", type_


def default_state() -> Path:
    """/var/lib for the system's daemon, the XDG state directory for a user's."""
    if os.geteuid() == 0:
        return SYSTEM_STATE
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "longshore"


def default_address() -> str:
    if os.geteuid() == 0:
        return SYSTEM_ADDRESS
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/longshore-{os.geteuid()}"  # noqa: S108 - made 0750 and locked by `service.listen`
    return f"unix:{runtime}/longshore/longshored.sock"
