"""Commands about the daemon and about this program."""

from datetime import timedelta

from ..v1 import job_pb2, system_service_pb2
from . import output, words
from .connect import client
from .exits import MEANINGS, Exit
from .parser import Arguments, build


def capabilities(args: Arguments) -> Exit:
    with client(args) as daemon:
        found = daemon.capabilities()
    output.show_one(
        found, output=args.output, lines=capability_lines(found), name=found.version
    )
    return Exit.DONE


def capability_lines(found: system_service_pb2.GetCapabilitiesResponse) -> list[str]:
    served = [kind.job_type for kind in found.kinds if kind.served]
    later = [kind.job_type for kind in found.kinds if not kind.served]
    kept = ", ".join(
        f"{words.name_of(job_pb2.JobState, rule.state, 'JOB_STATE_')} "
        f"{timedelta(seconds=rule.age.ToTimedelta().total_seconds())}"
        for rule in found.retention
    )
    return output.pairs(
        [
            ("version", f"{found.version} ({', '.join(found.api_versions)})"),
            ("host", found.host),
            ("roots", ", ".join(found.roots)),
            ("serves", ", ".join(served)),
            ("knows, does not serve", ", ".join(later)),
            ("running at once", str(found.limits.running_job_count)),
            ("keeps", kept),
            ("history", f"{found.history_id}, epoch {found.epoch}"),
        ]
    )


def completion(args: Arguments) -> Exit:
    """Made from the parser itself by shtab, so that it cannot fall behind."""
    import shtab

    output.write([shtab.complete(build(), shell=args["shell"])])
    return Exit.DONE


UNITS = """\
Sizes: a bare number is bytes; K M G T P and KiB MiB GiB … are powers of 1024,
kB MB GB … powers of 1000. Small m, and b for bits, are refused.
Rates: a size, with or without /s: always bytes a second.
Durations: 90, 90s, 15m, 1h30m, 250ms."""


def topic(args: Arguments) -> Exit:
    if args["topic"] == "exit-codes":
        output.write(f"{int(code):>4}  {text}" for code, text in MEANINGS.items())
    else:
        output.write([UNITS])
    return Exit.DONE
