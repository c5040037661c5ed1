"""What to do on errors, and when to work: as words of a command line, both ways."""

import re
from datetime import UTC, datetime, timedelta

from ..units import parse_duration
from ..v1 import job_options_pb2
from .options import ON_ERROR
from .words import name_of
from .zone import UTC as UTC_ZONE
from .zone import local_zone

_DAY_MINUTES = 24 * 60

# As the contract numbers them: Monday is 1.
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_WINDOW = re.compile(
    r"(?:(?P<days>[a-z,-]+)/)?"
    r"(?P<start>[0-9]{1,2}:[0-9]{2})"
    r"(?:-(?P<end>[0-9]{1,2}:[0-9]{2})|\+(?P<length>[0-9a-z]+))"
    r"(?:/(?P<zone>.+))?"
)


def error_policy(word: str) -> job_options_pb2.ErrorPolicy:
    if word not in ON_ERROR:
        raise ValueError(f"one of {', '.join(ON_ERROR)}, not {word!r}")
    name = "ERROR_ACTION_" + word.upper().replace("-", "_")
    action = job_options_pb2.ErrorAction.Value(name)
    return job_options_pb2.ErrorPolicy(action=action)


def on_error(policy: job_options_pb2.ErrorPolicy) -> str:
    return name_of(job_options_pb2.ErrorAction, policy.action, "ERROR_ACTION_")


def window(text: str) -> job_options_pb2.TimeWindow:
    """[DAYS/]START-END[/ZONE]; an END that is not after START is of the next day.

    Without a zone it is that of this machine.
    """
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise ValueError(
            f"not a window: {text!r} (write 22:00-06:00, sat,sun/08:00-20:00, "
            "fri/22:00+56h, or mon-fri/22:00-06:00/Europe/Madrid)"
        )
    start = _minute(found["start"])
    return job_options_pb2.TimeWindow(
        weekdays=_weekdays(found["days"]) if found["days"] else (),  # type: ignore[arg-type]  # open enum
        start_minute=start,
        duration_minutes=(
            _minutes(found["length"])
            if found["length"]
            else (_minute(found["end"]) - start) % _DAY_MINUTES or _DAY_MINUTES
        ),
        time_zone=found["zone"] or local_zone(),
    )


def _minute(text: str) -> int:
    """Of the day."""
    hours, minutes = map(int, text.split(":"))
    if minutes > 59 or hours * 60 + minutes > _DAY_MINUTES:
        raise ValueError(f"not a time of day: {text!r}")
    return hours * 60 + minutes


def _minutes(text: str) -> int:
    minutes = parse_duration(text) / 60
    if minutes != int(minutes):
        raise ValueError(f"a window is whole minutes long, not {text!r}")
    return int(minutes)


def _weekdays(text: str) -> list[int]:
    """Days and ranges of days, by comma."""
    days: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        start, end = _day(first), _day(last if dash else first)
        # A range may go over the end of the week.
        days += [(start + step) % 7 + 1 for step in range((end - start) % 7 + 1)]
    return sorted(set(days))


def _day(text: str) -> int:
    if text not in _DAYS:
        raise ValueError(f"no day {text!r}; there are {', '.join(_DAYS)}")
    return _DAYS.index(text)


def window_text(window: job_options_pb2.TimeWindow) -> str:
    """As `window` reads it, with its zone."""
    days = ",".join(_DAYS[day - 1] for day in window.weekdays)
    start, length = window.start_minute, window.duration_minutes
    # A day that ends at midnight ends at 24:00.
    until = (start + length) % _DAY_MINUTES or _DAY_MINUTES
    end = f"+{length}m" if length > _DAY_MINUTES else f"-{_clock(until)}"
    zone = window.time_zone or UTC_ZONE
    return "/".join(filter(None, [days, f"{_clock(start)}{end}", zone]))


def _clock(minute: int) -> str:
    hours, minutes = divmod(minute, 60)
    return f"{hours:02}:{minutes:02}"


def instant(text: str, now: datetime) -> datetime:
    """A time by RFC 3339, or so long from now."""
    try:
        return _instant(text, now)
    except OverflowError as error:
        raise ValueError(f"{text!r} is not in the years 1 to 9999") from error


def _instant(text: str, now: datetime) -> datetime:
    try:
        return now + timedelta(seconds=parse_duration(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"not a time: {text!r} (write 2026-11-20T22:00:00+01:00, or 2h from now)"
        ) from error
    if found.tzinfo is None:
        raise ValueError(f"{text!r} does not say in which time zone (add Z or +01:00)")
    return found.astimezone(UTC)
