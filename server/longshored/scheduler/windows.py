"""Time windows: is one open at a moment, and when does that change. Pure.

A window begins at a wall-clock time of its zone and lasts so many minutes of
real time, so a change to or from summer time moves its end, not its length.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from ..clock import SECOND, Instant
from ..errors import Violation
from ..job.model import Window

MINUTE = 60 * SECOND
_DAY_MINUTES = 24 * 60
# The longest window and so the farthest that one may reach into a day.
LONGEST_MINUTES = 7 * _DAY_MINUTES

# How soon a time zone that this machine has no more is looked for again.
ZONE_LOOK_SECONDS = 3600

Span = tuple[Instant, Instant]


def is_open(windows: Sequence[Window], now: Instant) -> bool:
    """No window at all is always open."""
    return not windows or any(start <= now < end for start, end in _spans(windows, now))


def next_open(windows: Sequence[Window], now: Instant) -> Instant | None:
    """When a closed set of windows opens, within eight days, as weeks repeat; None if
    it never does, since no zone of theirs is known here any more."""
    return min(
        (start for start, _ in _spans(windows, now) if start > now), default=None
    )


def next_close(windows: Sequence[Window], now: Instant) -> Instant | None:
    """When an open set of windows closes; None if they leave no gap."""
    end = now
    for start, stop in sorted(_spans(windows, now)):
        if start <= end:
            end = max(end, stop)
    # A gap comes back every week: beyond it ends what was looked at, not the windows.
    farthest = now + LONGEST_MINUTES * MINUTE
    return end if now < end < farthest else None


def check(windows: Sequence[Window], field: str) -> Iterator[Violation]:
    for index, window in enumerate(windows):
        at = f"{field}[{index}]"
        if not 0 <= window.start_minute < _DAY_MINUTES:
            yield Violation(f"{at}.start_minute", "Must be 0 to 1439")
        if not 1 <= window.duration_minutes <= LONGEST_MINUTES:
            yield Violation(
                f"{at}.duration_minutes", f"Must be 1 to {LONGEST_MINUTES} (a week)"
            )
        if not all(1 <= day <= 7 for day in window.weekdays):
            yield Violation(f"{at}.weekdays", "Must be 1 (Monday) to 7 (Sunday)")
        if _zone(window.time_zone) is None:
            yield Violation(
                f"{at}.time_zone", f"No such IANA time zone: {window.time_zone[:80]!r}"
            )


def _zone(name: str) -> tzinfo | None:
    """None if there is no such zone: also of one that this machine has no more."""
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        return None


def _spans(windows: Sequence[Window], now: Instant) -> Iterator[Span]:
    """Every span that can matter: begun in the last eight days or the next eight."""
    for window in windows:
        if (zone := _zone(window.time_zone)) is None:
            continue
        today = datetime.fromtimestamp(now // SECOND, zone)
        for offset in range(-8, 9):
            day = today + timedelta(days=offset)
            if window.weekdays and day.isoweekday() not in window.weekdays:
                continue
            hour, minute = divmod(window.start_minute, 60)
            begin = day.replace(hour=hour, minute=minute, second=0, microsecond=0)
            start = round(begin.timestamp()) * SECOND
            yield start, start + window.duration_minutes * MINUTE
