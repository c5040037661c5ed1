"""Options of a job and of a group: contract <-> values, and changes by mask."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from google.protobuf import field_mask_pb2

from longshore.v1 import job_options_pb2, job_service_pb2, rate_limit_pb2

from ..errors import field_invalid
from ..job.model import ErrorAction, ErrorPolicy, Options, RateLimit, Window
from . import enums, wiretime
from .checks import at_most, in_range, refuse
from .mask import merge
from .wiretime import Fields

MOST_WINDOWS = 16
_PRIORITY = 1000
_REPORT = ErrorPolicy()
DEFAULT = Options()
_MOST_RETRIES = 100
_LONGEST_BACKOFF = 60.0
_WEEK_MINUTES = 7 * 24 * 60
_DAY_MINUTES = 24 * 60

# Options that were asked for, by their bytes: mostly the same ones are, and what is
# made of a value is remembered for as long as it is the same object.
_asked: dict[bytes, Options] = {}
_MOST_ASKED = 1024

Rated = (
    job_options_pb2.JobOptions
    | job_service_pb2.JobGroupOptions
    | rate_limit_pb2.RateLimit
)


def options_from_proto(
    message: job_options_pb2.JobOptions, field: str = "options"
) -> Options:
    """The options asked for; raises FIELD_INVALID for the first that is wrong."""
    data = message.SerializeToString()
    if not data:
        return DEFAULT
    if (known := _asked.get(data)) is not None:
        return known
    if len(_asked) >= _MOST_ASKED:
        _asked.clear()
    _asked[data] = options = _checked(message, field)
    return options


def _checked(message: job_options_pb2.JobOptions, field: str) -> Options:
    if kind_options := message.WhichOneof("kind_options"):
        refuse(f"{field}.{kind_options}", "No kind that is served has such options")
    at_most(f"{field}.windows", len(message.windows), MOST_WINDOWS)
    return Options(
        rate=rate_from_proto(message, field),
        priority=in_range(f"{field}.priority", message.priority, -_PRIORITY, _PRIORITY),
        earliest_start_time=_instant(message, field),
        windows=tuple(_windows(message.windows, f"{field}.windows")),
        source_error_policy=_policy(
            message.source_error_policy, f"{field}.source_error_policy"
        ),
        target_error_policy=_policy(
            message.target_error_policy, f"{field}.target_error_policy"
        ),
        auto_finalize=(
            message.auto_finalize if message.HasField("auto_finalize") else True
        ),
        auto_dismiss_delay=_dismiss_delay(message, field),
    )


def rate_from_proto(message: Rated, field: str) -> RateLimit:
    limit = _rate(message, field)
    if limit.burst_bytes is not None and limit.speed_bytes_per_second is None:
        refuse(f"{field}.burst_bytes", "Needs speed_bytes_per_second")
    if limit.burst_operations is not None and limit.iops is None:
        refuse(f"{field}.burst_operations", "Needs iops")
    return limit


def _rate(message: Rated, field: str) -> RateLimit:
    return RateLimit(
        speed_bytes_per_second=_positive(message, field, "speed_bytes_per_second"),
        burst_bytes=_positive(message, field, "burst_bytes"),
        iops=_positive(message, field, "iops"),
        burst_operations=_positive(message, field, "burst_operations"),
    )


def _positive(message: Rated, field: str, name: str) -> int | None:
    if not message.HasField(name):  # type: ignore[arg-type]  # one of four names
        return None
    value: int = getattr(message, name)
    if value < 1:
        refuse(f"{field}.{name}", f"Must be at least 1, not {value}; absent: no limit")
    return value


def _instant(message: job_options_pb2.JobOptions, field: str) -> int | None:
    if not message.HasField("earliest_start_time"):
        return None
    return wiretime.instant(f"{field}.earliest_start_time", message.earliest_start_time)


def _dismiss_delay(message: job_options_pb2.JobOptions, field: str) -> float | None:
    if not message.HasField("auto_dismiss_delay"):
        return None
    return wiretime.span(f"{field}.auto_dismiss_delay", message.auto_dismiss_delay)


def _policy(message: job_options_pb2.ErrorPolicy, field: str) -> ErrorPolicy:
    action = enums.member(
        f"{field}.action", enums.ERROR_ACTIONS, message.action, ErrorAction.REPORT
    )
    tuned = message.HasField("retry_count") or message.HasField("retry_backoff")
    if tuned and action is not ErrorAction.RETRY:
        refuse(f"{field}.retry_count", "Only with ERROR_ACTION_RETRY")
    default = ErrorPolicy(action)
    count, backoff = default.retry_count, default.retry_backoff
    if message.HasField("retry_count"):
        count = in_range(f"{field}.retry_count", message.retry_count, 1, _MOST_RETRIES)
    if message.HasField("retry_backoff"):
        backoff = wiretime.span(f"{field}.retry_backoff", message.retry_backoff)
        if backoff > _LONGEST_BACKOFF:
            refuse(f"{field}.retry_backoff", f"Must be at most 60 s, not {backoff} s")
    return ErrorPolicy(action, count, backoff)


def _windows(
    messages: Iterable[job_options_pb2.TimeWindow], field: str
) -> Iterable[Window]:
    for index, message in enumerate(messages):
        yield _window(message, f"{field}[{index}]")


def _window(message: job_options_pb2.TimeWindow, field: str) -> Window:
    days = [
        in_range(f"{field}.weekdays", day, 1, 7) for day in sorted(message.weekdays)
    ]
    _check_zone(f"{field}.time_zone", message.time_zone)
    return Window(
        start_minute=in_range(
            f"{field}.start_minute", message.start_minute, 0, _DAY_MINUTES - 1
        ),
        duration_minutes=in_range(
            f"{field}.duration_minutes", message.duration_minutes, 1, _WEEK_MINUTES
        ),
        weekdays=tuple(days),
        time_zone=message.time_zone,
    )


def _check_zone(field: str, name: str) -> None:
    if not name:
        return
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        wrong = f"Must be the IANA name of a time zone known here, not {name[:64]!r}"
        raise field_invalid(field, wrong) from error


def options_fields(options: Options) -> Fields:
    """The fields of a JobOptions."""
    return {
        **rate_fields(options.rate),
        "priority": options.priority,
        "earliest_start_time": wiretime.timestamp_fields(options.earliest_start_time),
        "windows": [_window_fields(window) for window in options.windows],
        "source_error_policy": _policy_fields(options.source_error_policy),
        "target_error_policy": _policy_fields(options.target_error_policy),
        "auto_finalize": options.auto_finalize,
        "auto_dismiss_delay": (
            None
            if options.auto_dismiss_delay is None
            else wiretime.duration_fields(options.auto_dismiss_delay)
        ),
    }


def rate_fields(rate: RateLimit) -> Fields:
    """The fields of a RateLimit, and those of the same names in other messages."""
    return {
        "speed_bytes_per_second": rate.speed_bytes_per_second,
        "burst_bytes": rate.burst_bytes,
        "iops": rate.iops,
        "burst_operations": rate.burst_operations,
    }


def _window_fields(window: Window) -> Fields:
    return {
        "weekdays": window.weekdays,
        "start_minute": window.start_minute,
        "duration_minutes": window.duration_minutes,
        "time_zone": window.time_zone,
    }


def _policy_fields(policy: ErrorPolicy) -> Fields | None:
    if policy == _REPORT:
        return None
    fields: Fields = {"action": enums.ERROR_ACTIONS[policy.action]}
    if policy.action is ErrorAction.RETRY:
        fields["retry_count"] = policy.retry_count
        fields["retry_backoff"] = wiretime.duration_fields(policy.retry_backoff)
    return fields


def changed_options(
    before: Options,
    change: job_options_pb2.JobOptions,
    mask: field_mask_pb2.FieldMask | None,
) -> Options:
    """`before` with the fields that the mask names taken from `change`."""
    merged = job_options_pb2.JobOptions(**options_fields(before))
    return options_from_proto(merge(merged, change, mask))


def changed_rate(
    before: RateLimit,
    change: rate_limit_pb2.RateLimit,
    mask: field_mask_pb2.FieldMask | None,
) -> RateLimit:
    """As `changed_options`. Whether the fields go together is not looked at: a
    limit that is laid over another may rest on it."""
    merged = rate_limit_pb2.RateLimit(**rate_fields(before))
    return _rate(merge(merged, change, mask), "rate_limit")
