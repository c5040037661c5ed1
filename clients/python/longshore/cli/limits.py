"""longshore limit: what jobs of the daemon, of a device or of a group share."""

import itertools
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ..client import Client
from ..units import format_rate, format_size
from ..v1 import job_service_pb2, rate_limit_pb2
from ..watch import selector
from . import words
from .arguments import Arguments
from .connect import Daemon
from .exits import CommandError, Exit
from .output import Printer
from .paths import absolute
from .table import Column, Cut
from .verbs import RATES, asked, values

_DEVICE = re.compile(r"[0-9]+:[0-9]+", re.ASCII)

# A group has at most so many members.
_MEMBERS = 100

Shared = rate_limit_pb2.SharedRateLimit


def every(args: Arguments) -> Exit:
    with Daemon(args) as daemon:
        found = daemon.rate_limits()
    return _print(args, found)


def of_daemon(args: Arguments) -> Exit:
    return _show_or_change(args, "daemon")


def of_device(args: Arguments) -> Exit:
    return _show_or_change(args, _scope(args["device"]))


def of_group(args: Arguments) -> Exit:
    limit, paths = _asked(args["options"])
    group_id = args["group"]
    with Daemon(args) as daemon:
        if paths:
            answer = daemon.update_group(group_id, limit, paths=paths)
        else:
            answer = _group(daemon, group_id)
    fields = [field for (field,), _ in RATES.values()]
    shown = " ".join(values(answer.rate_limit, fields))
    line = f"{group_id}  {shown}  shared by {len(answer.jobs)}"
    Printer.of(args).one(answer, [line], name=group_id)
    return Exit.DONE


def _show_or_change(args: Arguments, scope: str) -> Exit:
    limit, paths = _asked(args["options"])
    with Daemon(args) as daemon:
        if paths:
            found = [daemon.limit(scope, limit, paths=paths)]
        else:
            found = daemon.rate_limits(scope)
    return _print(args, found)


def _asked(options: Sequence[str]) -> tuple[rate_limit_pb2.RateLimit, list[str]]:
    limit = rate_limit_pb2.RateLimit()
    return limit, asked(limit, options, RATES)


def _scope(word: str) -> str:
    """A device by its number, or an image on it by its absolute path."""
    return word if _DEVICE.fullmatch(word) else block_device(word) or absolute(word)


def block_device(word: str, known: Path = Path("/sys/class/block")) -> str:
    """The number of a block device of this host, by its name or path; "" if none."""
    path = Path(word)
    if path.is_block_device():
        number = path.stat().st_rdev
        return f"{os.major(number)}:{os.minor(number)}"
    # A container may see it without a node. A file of that name is meant first.
    name = word.removeprefix("/dev/")
    if path.exists() or "/" in name or not name.strip("."):
        return ""
    try:
        return (known / name / "dev").read_text().strip()
    except (OSError, ValueError):
        return ""


def _group(daemon: Client, group_id: str) -> job_service_pb2.UpdateJobGroupResponse:
    """What a change that changes nothing would answer."""
    found = daemon.list(select=selector(group_ids=(group_id,)))
    jobs = [
        job for job in itertools.islice(found, _MEMBERS) if not job.HasField("end_time")
    ]
    if not jobs:
        raise CommandError(f"no job of a group {group_id} that has not ended")
    return job_service_pb2.UpdateJobGroupResponse(
        rate_limit=jobs[0].group_rate_limit, jobs=jobs
    )


def _print(args: Arguments, found: Sequence[Shared]) -> Exit:
    Printer.of(args).list(found, COLUMNS, name=_name)
    return Exit.DONE


def _name(shared: Shared) -> str:
    return shared.scope.device or "daemon"


def _cell(name: str, shown: Callable[[int], str]) -> Callable[[Shared], str]:
    (field,), _ = RATES[name]

    def cell(shared: Shared) -> str:
        limit = shared.rate_limit
        is_set = limit.HasField(field)  # type: ignore[arg-type]  # one of four names
        return shown(getattr(limit, field)) if is_set else words.NONE

    return cell


def _origin(shared: Shared) -> str:
    """Where each field comes from: rate, iops set by unix; burst configured."""
    given = _names(shared.overrides)
    kept = [name for name in _names(shared.configured) if name not in given]
    parts = [
        f"{', '.join(names)} {how}"
        for names, how in ((given, f"set by {shared.actor}"), (kept, "configured"))
        if names
    ]
    return "; ".join(parts) or words.NONE


def _names(limit: rate_limit_pb2.RateLimit) -> list[str]:
    fields = {field.name for field, _ in limit.ListFields()}
    return [name for name, ((field,), _) in RATES.items() if field in fields]


COLUMNS = [
    Column("SCOPE", _name),
    Column("RATE", _cell("rate", format_rate), is_number=True),
    Column("BURST", _cell("burst", format_size), is_number=True),
    Column("IOPS", _cell("iops", str), is_number=True),
    Column("BURST-IOPS", _cell("burst-iops", str), is_number=True),
    Column("ORIGIN", _origin, cut=Cut.RIGHT),
]
