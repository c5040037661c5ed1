"""The words of the command line. Loads nothing of the library, so that help is fast."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .. import __version__
from ..units import parse_duration, parse_rate, parse_size

FORMATS = ("table", "wide", "json", "jsonl", "yaml", "name")
IMAGE_FORMATS = ("qcow2", "raw")


@dataclass(frozen=True, slots=True)
class Arguments:
    """What was parsed. `run` names the function of the command."""

    run: str
    server: str | None
    output: str
    quiet: bool
    color: str
    values: dict[str, Any]

    @classmethod
    def of(cls, parsed: argparse.Namespace) -> "Arguments":
        values = dict(vars(parsed))
        return cls(
            run=values.pop("run"),
            server=values.pop("server"),
            output=values.pop("output"),
            quiet=values.pop("quiet"),
            color=values.pop("color"),
            values=values,
        )

    def __getitem__(self, name: str) -> Any:
        return self.values[name]


def quantity(parse: Callable[[str], Any], name: str) -> Callable[[str], Any]:
    """A parser of the library as argparse wants it: its words are the error."""

    def convert(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    convert.__name__ = name
    return convert


SIZE = quantity(parse_size, "size")
RATE = quantity(parse_rate, "rate")
SPAN = quantity(parse_duration, "duration")


def label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise argparse.ArgumentTypeError(f"a label is key=value, not {text!r}")
    return key, value


def build() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="longshore",
        description="Long operations on disk images, under control.",
        epilog="Exit codes: longshore help exit-codes",
    )
    top.add_argument("--version", action="version", version=f"longshore {__version__}")
    globals_of(top, is_top=True)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for add in (add_submits, add_images, add_queries, add_verbs, add_others):
        add(commands)
    return top


def globals_of(parser: argparse.ArgumentParser, *, is_top: bool) -> None:
    """Options that stand before the command, or after it."""
    group = parser.add_argument_group("everywhere")

    def default(value: Any) -> Any:
        return value if is_top else argparse.SUPPRESS

    group.add_argument(
        "-s",
        "--server",
        metavar="ADDRESS",
        default=default(None),
        help="unix:PATH or HOST:PORT (else LONGSHORE_ADDRESS, else the usual socket)",
    )
    group.add_argument(
        "-o", "--output", choices=FORMATS, default=default("table"), help="how to print"
    )
    group.add_argument(
        "-q", "--quiet", action="store_true", default=default(False), help="ids only"
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default=default("auto"),
        help="NO_COLOR and TERM=dumb are heeded",
    )


def command(
    commands: Any, name: str, run: str, text: str, example: str, **more: Any
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **more,
    )
    parser.set_defaults(run=run)
    globals_of(parser, is_top=False)
    return parser


def pull_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("top", metavar="TOP", help="the overlay to populate")
    parser.add_argument("--base", help="stop at this image of the chain and keep it")
    parser.add_argument("--format", choices=IMAGE_FORMATS, default="qcow2")
    parser.add_argument("--base-format", choices=IMAGE_FORMATS, default="qcow2")
    parser.add_argument(
        "--link",
        action="append",
        default=[],
        metavar="FORMAT:PATH",
        help="declare the chain below TOP, nearest first (repeat)",
    )


def submit_arguments(parser: argparse.ArgumentParser) -> None:
    """The same for every kind of job."""
    group = parser.add_argument_group("how the job is run")
    group.add_argument("--job-id", default="", help="choose the id")
    group.add_argument(
        "--rate", type=RATE, metavar="RATE", help="50MiB: bytes a second"
    )
    group.add_argument("--burst", type=SIZE, metavar="SIZE")
    group.add_argument("--iops", type=int, metavar="N", help="requests a second")
    group.add_argument("--priority", type=int, metavar="N")
    group.add_argument("--after", action="append", default=[], metavar="JOB")
    group.add_argument(
        "--on-conflict", choices=("fail", "queue", "return"), default="fail"
    )
    group.add_argument("--manual-finalize", action="store_true")
    group.add_argument("--auto-dismiss", type=SPAN, metavar="DURATION")
    group.add_argument(
        "--on-error", choices=("report", "skip", "retry", "stop", "enospc-stop")
    )
    group.add_argument(
        "-l", "--label", type=label, action="append", default=[], metavar="K=V"
    )
    group.add_argument("--request-id", default="", help="a UUID; the same one, one job")


def wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=SPAN, metavar="DURATION")
    parser.add_argument(
        "--progress",
        choices=("auto", "tty", "plain", "json", "none"),
        default="auto",
        help="how to show progress on stderr",
    )


def add_submits(commands: Any) -> None:
    pull = command(
        commands,
        "pull",
        "submit:pull",
        "populate an overlay from its backing chain",
        "longshore pull /srv/images/top.qcow2 --rate 200MiB --wait",
    )
    pull_arguments(pull)
    submit_arguments(pull)
    ways = pull.add_mutually_exclusive_group()
    ways.add_argument("--wait", action="store_true", help="wait for the end of the job")
    ways.add_argument("--detach", action="store_true", help="do not wait (the default)")
    wait_arguments(pull)

    plan = command(
        commands,
        "plan",
        "submit:plan",
        "say what a job would do, and do nothing",
        "longshore plan pull /srv/images/top.qcow2",
    )
    kinds = plan.add_subparsers(title="kinds", metavar="KIND", required=True)
    planned = command(
        kinds, "pull", "submit:plan", "plan a pull", "longshore plan pull top.qcow2"
    )
    pull_arguments(planned)


def add_images(commands: Any) -> None:
    create = command(
        commands,
        "create-image",
        "images:create",
        "make an empty image or an overlay",
        "longshore create-image top.qcow2 --backing base.raw --backing-format raw",
    )
    create.add_argument("path", metavar="PATH")
    create.add_argument("--size", type=SIZE, help="virtual size (else the backing's)")
    create.add_argument("--format", choices=IMAGE_FORMATS, default="qcow2")
    create.add_argument("--backing", metavar="PATH")
    create.add_argument("--backing-format", choices=IMAGE_FORMATS, default="qcow2")
    create.add_argument("--cluster-size", type=SIZE, metavar="SIZE")
    create.add_argument("--refcount-bits", type=int, metavar="N")
    create.add_argument(
        "--compat", choices=("0.10", "1.1"), help="qcow2 version 2 or 3"
    )
    create.add_argument("--compression", choices=("zlib", "zstd"))
    create.add_argument("--extended-l2", action="store_true")
    create.add_argument("--lazy-refcounts", action="store_true")

    chain = command(
        commands,
        "chain",
        "images:chain",
        "show an image and what lies behind it",
        "longshore chain /srv/images/top.qcow2",
    )
    chain.add_argument("path", metavar="IMAGE")
    chain.add_argument("--format", choices=IMAGE_FORMATS, default="qcow2")

    mapping = command(
        commands,
        "map",
        "images:extents",
        "show where the bytes of an image lie",
        "longshore map /srv/images/top.qcow2 -o json",
    )
    mapping.add_argument("path", metavar="IMAGE")
    mapping.add_argument("--format", choices=IMAGE_FORMATS, default="qcow2")


def select_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-l", "--label", type=label, action="append", default=[], metavar="K=V"
    )
    parser.add_argument(
        "--kind",
        action="append",
        default=[],
        metavar="KIND",
        help="block.pull, block.*",
    )
    parser.add_argument("--group", action="append", default=[], metavar="GROUP")


def add_queries(commands: Any) -> None:
    listing = command(
        commands,
        "list",
        "queries:listing",
        "list jobs, newest first",
        "longshore list --state running -l vm=web1",
        aliases=["ls"],
    )
    select_arguments(listing)
    listing.add_argument("--state", action="append", default=[], metavar="STATE")
    listing.add_argument("-n", "--limit", type=int, metavar="N", help="at most N jobs")
    listing.add_argument("--no-headers", action="store_true")

    get = command(
        commands,
        "get",
        "queries:get",
        "show a job",
        "longshore get JOB -o yaml",
        aliases=["show"],
    )
    get.add_argument("job", metavar="JOB", nargs="+")

    explain = command(
        commands,
        "explain",
        "queries:explain",
        "say why a job is where it is and what can be done",
        "longshore explain JOB",
    )
    explain.add_argument("job", metavar="JOB")

    watch = command(
        commands,
        "watch",
        "watching:watch",
        "print changes as they happen",
        "longshore watch --since 4c1f…:1041 -o jsonl",
    )
    watch.add_argument("job", metavar="JOB", nargs="?")
    select_arguments(watch)
    watch.add_argument("--since", metavar="CURSOR", help="HISTORY:REVISION, or now")
    watch.add_argument("--no-progress", action="store_true")

    wait = command(
        commands,
        "wait",
        "waiting:wait",
        "wait for the end of a job",
        "longshore wait JOB --timeout 1h",
    )
    wait.add_argument("job", metavar="JOB")
    wait.add_argument(
        "--for",
        dest="state",
        action="append",
        default=[],
        metavar="STATE",
        help="wait for a state instead of the end (repeat)",
    )
    wait_arguments(wait)

    top = command(
        commands,
        "top",
        "watching:top",
        "running and queued jobs, live",
        "longshore top",
    )
    select_arguments(top)
    top.add_argument("--once", action="store_true", help="print once and end")


def add_verbs(commands: Any) -> None:
    texts = {
        "pause": "stop a job at its next checkpoint",
        "resume": "let a paused job go on",
        "cancel": "unwind a job",
        "complete": "end a job that is ready",
        "finalize": "make the result of a job visible",
        "dismiss": "forget a job that has ended",
    }
    for name, text in texts.items():
        verb = command(commands, name, f"verbs:{name}", text, f"longshore {name} JOB")
        verb.add_argument("job", metavar="JOB", nargs="+")
        if name in ("pause", "cancel"):
            verb.add_argument("--comment", default="", help="why; kept with the job")
        if name == "cancel":
            verb.add_argument("--force", action="store_true")
            verb.add_argument("--wait", action="store_true", help="until it has ended")
        if name == "complete":
            verb.add_argument("--keep-copy", action="store_true")
    change = command(
        commands,
        "set",
        "verbs:change",
        "change options of a living job",
        "longshore set JOB rate=50MiB priority=5",
    )
    change.add_argument("job", metavar="JOB")
    change.add_argument(
        "options",
        metavar="NAME=VALUE",
        nargs="+",
        help="rate, burst, iops, priority, auto-finalize, auto-dismiss; or NAME=none",
    )


def add_others(commands: Any) -> None:
    command(
        commands,
        "capabilities",
        "others:capabilities",
        "what the daemon is and can do",
        "longshore capabilities -o json",
    )
    completion = command(
        commands,
        "completion",
        "others:completion",
        "print a completion script",
        'eval "$(longshore completion bash)"',
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    topics = command(
        commands,
        "help",
        "others:topic",
        "explain a topic",
        "longshore help exit-codes",
    )
    topics.add_argument("topic", choices=("exit-codes", "units"))
