"""Shared rate limits: contract <-> values. A scope is a device, or the daemon."""

import re

from longshore.v1 import rate_limit_pb2 as pb

from ..errors import field_invalid
from ..job.model import RateLimit
from ..scheduler.limits import DAEMON, SharedLimit
from ..scheduler.throttle import UNLIMITED
from . import wiretime
from .translate_options import rate_fields

_DEVICE = re.compile(r"[0-9]{1,7}:[0-9]{1,7}", re.ASCII)


def device(field: str, value: str) -> str:
    if not _DEVICE.fullmatch(value):
        raise field_invalid(
            field, f"Must be major:minor, such as 8:0, not {value[:64]!r}"
        )
    return value


def limit_to_proto(limit: SharedLimit) -> pb.SharedRateLimit:
    given = limit.given
    return pb.SharedRateLimit(
        scope=_scope(limit.device),
        rate_limit=_rate(limit.rate),
        configured=_rate(limit.configured),
        overrides=_rate(UNLIMITED if given is None else given.rate),
        actor="" if given is None else given.actor,
        override_time=None if given is None else wiretime.timestamp(given.time),
    )


def _rate(rate: RateLimit) -> pb.RateLimit:
    return pb.RateLimit(**rate_fields(rate))


def _scope(name: str) -> pb.RateLimitScope:
    if name == DAEMON:
        return pb.RateLimitScope(daemon=pb.RateLimitScope.Daemon())
    return pb.RateLimitScope(device=name)
