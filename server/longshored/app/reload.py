"""What SIGHUP can change in a daemon at work, and what has to wait for a restart."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

from ..config.settings import Config

LIVE = frozenset(
    {
        "log.level",
        "server.most_calls",
        "server.caller_calls_per_second",
        "server.stop_seconds",
        "access.viewers",
        "access.operators",
        "access.admins",
        "access.token_file",
        "access.socket_role",
        "access.insecure_role",
        "jobs.slots",
        "jobs.slots_per_device",
        "jobs.most_unfinished",
        "jobs.most_unfinished_per_caller",
        "jobs.speed_bytes_per_second",
        "jobs.iops",
        "jobs.device_speed_bytes_per_second",
        "jobs.device_iops",
        "retention.succeeded",
        "retention.failed",
        "retention.cancelled",
        "watch.most",
        "watch.most_per_client",
        "watch.most_per_caller",
    }
)


@dataclass(frozen=True, slots=True)
class Reload:
    """`config` is the old one with what may change live taken from the new."""

    config: Config
    changed: tuple[str, ...]
    refused: tuple[str, ...]


def reload(old: Config, new: Config) -> Reload:
    different = tuple(_different(old, new))
    changed = tuple(path for path in different if path in LIVE)
    refused = tuple(path for path in different if path not in LIVE)
    return Reload(_merged(old, new, changed), changed, refused)


def _different(old: Config, new: Config) -> Iterator[str]:
    for section in fields(Config):
        before, after = getattr(old, section.name), getattr(new, section.name)
        for key in fields(before):
            if getattr(before, key.name) != getattr(after, key.name):
                yield f"{section.name}.{key.name}"


def _merged(old: Config, new: Config, changed: tuple[str, ...]) -> Config:
    merged = old
    for path in changed:
        name, _, key = path.partition(".")
        section = getattr(merged, name)
        value = getattr(getattr(new, name), key)
        merged = replace(merged, **{name: replace(section, **{key: value})})
    return merged
