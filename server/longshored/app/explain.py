"""Every setting in a sentence: `longshored config explain`, and the manual's tables."""

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from ..config.load import toml
from ..config.settings import SYSTEM_ADDRESS, SYSTEM_STATE, Config
from .reload import LIVE

_SENTENCES = {
    "server.listen": "Where to listen: `unix:PATH`, or `HOST:PORT`.",
    "server.insecure": "Allow loopback TCP without TLS: every local user may call.",
    "server.most_calls": "Calls served at once; more are told to come again. What an "
    "operator needs in overload (get, wait, pause, cancel) is never refused for it.",
    "server.caller_calls_per_second": "Calls a second of one caller; 0: no limit.",
    "server.stop_seconds": "How long a drain waits for workers.",
    "tls.certificate": "PEM file: our certificate and its chain. All TCP is TLS then.",
    "tls.key": "PEM file: its key, closed to others.",
    "tls.client_ca": "PEM file: callers need a certificate of this CA.",
    "access.viewers": "Names in certificates (`dns:NAME`, `uri:NAME`) that may look.",
    "access.operators": "Names in certificates that may make and steer jobs.",
    "access.admins": "Names in certificates that may do everything.",
    "access.token_file": "Bearer tokens, a line each: `NAME ROLE TOKEN [EXPIRES]`.",
    "access.socket_role": "What who can open the unix socket may do.",
    "access.insecure_role": "What callers on TCP without TLS may do.",
    "store.directory": "Where jobs are remembered: a directory of the daemon's own.",
    "images.roots": "Directories with images; nothing outside them is opened.",
    "images.reflink": "Images may share blocks on a file system that can, instead of "
    "a copy.",
    "jobs.slots": "Jobs at work at once.",
    "jobs.slots_per_device": "Jobs at work at once on one device.",
    "jobs.most_unfinished": "Jobs that have not ended, queued ones included.",
    "jobs.most_unfinished_per_caller": "The same, of one caller; 0: no limit.",
    "jobs.speed_bytes_per_second": "Speed of all jobs together; 0: no limit.",
    "jobs.iops": "Requests a second of all jobs together; 0: no limit.",
    "jobs.device_speed_bytes_per_second": "Speed of the jobs on one device; 0: no "
    "limit.",
    "jobs.device_iops": "Requests a second of the jobs on one device; 0: no limit.",
    "retention.succeeded": "How long a job that succeeded is kept; 0: for ever.",
    "retention.failed": "How long a job that failed is kept; 0: for ever.",
    "retention.cancelled": "How long a cancelled job is kept; 0: for ever.",
    "watch.most": "Watches open at once.",
    "watch.most_per_client": "Watches open at once on one connection.",
    "watch.most_per_caller": "Watches open at once of one caller; 0: no limit.",
    "log.format": "`json`, `console`, or `auto`: console on a terminal.",
    "log.level": "`debug` (every call), `info`, `warning` or `error`. Audit lines are "
    "written at every level.",
    "metrics.listen": "`HOST:PORT` where Prometheus may ask for /metrics, without TLS. "
    "Needs the extra `metrics`.",
    "traces.endpoints": "URLs that take OTLP over HTTP, such as "
    "`http://127.0.0.1:4318/v1/traces`. Needs the extra `otel`.",
}

# What depends on who starts the daemon, as root and the service have it.
_DEFAULTS = {
    "server.listen": (SYSTEM_ADDRESS,),
    "store.directory": SYSTEM_STATE,
}


@dataclass(frozen=True, slots=True)
class _Row:
    key: str
    default: str
    is_live: bool
    sentence: str


def explained() -> Iterator[str]:
    """A table for each section, in Markdown."""
    for section, rows in _sections():
        yield f"**[{section}]**"
        yield ""
        yield "| setting | default | reload | |"
        yield "|---|---|---|---|"
        for row in rows:
            shown = f"`{row.default}`" if row.default else "none"
            live = "yes" if row.is_live else "no"
            yield f"| `{row.key}` | {shown} | {live} | {row.sentence} |"
        yield ""


def explained_plainly(width: int) -> Iterator[str]:
    """The same for a terminal: columns, and below each setting its sentence."""
    for section, rows in _sections():
        yield f"[{section}]"
        keys = max(len(row.key) for row in rows)
        defaults = max(len(row.default or "none") for row in rows)
        for row in rows:
            when = "on reload" if row.is_live else "on restart"
            shown = row.default or "none"
            yield f"  {row.key:{keys}}  {shown:{defaults}}  {when}"
            yield from textwrap.wrap(
                row.sentence.replace("`", ""),
                width,
                initial_indent="      ",
                subsequent_indent="      ",
                break_long_words=False,
            )
        yield ""


def _sections() -> Iterator[tuple[str, list[_Row]]]:
    config = Config()
    for section in fields(config):
        values = getattr(config, section.name)
        yield (
            section.name,
            [_row(section.name, values, one.name) for one in fields(values)],
        )


def _row(section: str, values: Any, key: str) -> _Row:
    path = f"{section}.{key}"
    default = _DEFAULTS.get(path, getattr(values, key))
    shown = "" if default is None else toml(default)
    return _Row(key, shown, path in LIVE, _SENTENCES[path])
