"""Every setting in a sentence: `longshored config explain`, and the manual's tables."""

from collections.abc import Iterator
from dataclasses import fields

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


def explained() -> Iterator[str]:
    """A table for each section, in Markdown."""
    config = Config()
    for section in fields(config):
        yield f"**[{section.name}]**"
        yield ""
        yield "| setting | default | reload | |"
        yield "|---|---|---|---|"
        values = getattr(config, section.name)
        for key in fields(values):
            path = f"{section.name}.{key.name}"
            default = _DEFAULTS.get(path, getattr(values, key.name))
            shown = "none" if default is None else f"`{toml(default)}`"
            live = "yes" if path in LIVE else "no"
            yield f"| `{key.name}` | {shown} | {live} | {_SENTENCES[path]} |"
        yield ""
