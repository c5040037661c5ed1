"""Commands about the daemon and about this program."""

import sys

from ..v1 import job_pb2, system_service_pb2
from . import output, words
from .arguments import Arguments
from .completion import script, subcommands
from .connect import Daemon
from .exits import CommandError, Exit
from .output import Printer
from .parser import build
from .topics import TOPICS


def capabilities(args: Arguments) -> Exit:
    with Daemon(args) as daemon:
        found = daemon.capabilities()
    printer = Printer.of(args)
    lines = capability_lines(found, is_wide=printer.form == "wide")
    printer.one(found, lines, name=found.version)
    return Exit.DONE


def capability_lines(
    found: system_service_pb2.GetCapabilitiesResponse, *, is_wide: bool
) -> list[str]:
    served = [kind.job_type for kind in found.kinds if kind.served]
    later = [kind.job_type for kind in found.kinds if not kind.served]
    kept = ", ".join(
        f"{words.name_of(job_pb2.JobState, rule.state, 'JOB_STATE_')} "
        f"{words.duration(rule.age) if rule.HasField('age') else 'for ever'}"
        for rule in found.retention
    )
    return output.pairs(
        [
            ("version", f"{found.version} ({', '.join(found.api_versions)})"),
            ("host", found.host),
            ("roots", ", ".join(found.roots)),
            ("serves", ", ".join(served)),
            (
                "not yet",
                ", ".join(later) if is_wide else f"{len(later)} kinds (-o wide)",
            ),
            ("runs at once", str(found.limits.running_job_count)),
            ("keeps", kept),
            ("history", f"{found.history_id}, epoch {found.epoch}"),
        ]
    )


def completion(args: Arguments) -> Exit:
    output.write([script(args["shell"])])
    return Exit.DONE


def topic(args: Arguments) -> Exit:
    match args["topic"]:
        case None:
            build().print_help()
        case name if name in TOPICS:
            output.write([TOPICS[name]])
        case name:
            known = subcommands(build())
            if name not in known:
                raise CommandError(f"no command or topic {name!r}; see: longshore help")
            known[name].print_help(sys.stdout)
    return Exit.DONE
