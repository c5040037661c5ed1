"""The words of the command line: which commands there are, and their options."""

import argparse
import difflib
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from .. import __version__
from .arguments import COUNT, SIZE
from .options import (
    IMAGE_FORMATS,
    choice_arguments,
    image_arguments,
    job_argument,
    pull_arguments,
    select_arguments,
    state_argument,
    submit_arguments,
    wait_arguments,
)

FORMATS = ("table", "wide", "json", "jsonl", "yaml", "name")


class Parser(argparse.ArgumentParser):
    """Says what was meant when a word is nearly right."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"error: {message}{self._guess(message)}\n")
        sys.stderr.write(f"see: {self.prog} --help\n")
        raise SystemExit(2)

    def _guess(self, message: str) -> str:
        wrong = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if wrong is None:
            return ""
        known = re.findall(r"'([^']*)'", wrong[2])
        near = difflib.get_close_matches(wrong[1], known, 1)
        return f"; did you mean {near[0]}?" if near else ""


def build() -> argparse.ArgumentParser:
    top = Parser(
        prog="longshore",
        description="Long operations on disk images, under control.",
        epilog="example:\n  longshore pull /srv/images/top.qcow2 --wait\n\n"
        "More: longshore help TOPIC, of exit-codes, units, on-error, on-conflict",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    top.add_argument("--version", action="version", version=f"longshore {__version__}")
    globals_of(top, is_top=True)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    adders = (add_submits, add_images, add_queries, add_verbs, add_limits, add_others)
    for add in adders:
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
        "-o",
        "--output",
        choices=FORMATS,
        default=default("table"),
        metavar="FORMAT",
        help=f"how to print: {', '.join(FORMATS)}",
    )
    group.add_argument(
        "-q",
        "--quiet",
        action="store_true",
        default=default(False),
        help="ids only, and no progress",
    )
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default=default("auto"),
        metavar="WHEN",
        help="auto (heeds NO_COLOR and TERM=dumb), always, never",
    )
    credentials_of(group, default)


def credentials_of(group: Any, default: Callable[[Any], Any]) -> None:
    """A token itself is no option: everybody on the host could read it."""
    for flag, metavar, text in (
        ("--tls-ca", "FILE", "CA of the daemon, or 'system'; with it HOST:PORT is TLS"),
        ("--tls-cert", "FILE", "certificate to show, if the daemon wants one"),
        ("--tls-key", "FILE", "its key"),
        ("--tls-name", "NAME", "name in the daemon's certificate, if not HOST"),
        ("--token-file", "FILE", "file with a token (else LONGSHORE_TOKEN)"),
    ):
        group.add_argument(flag, metavar=metavar, default=default(None), help=text)


def command(
    commands: Any, name: str, run: str, text: str, examples: str, **more: Any
) -> argparse.ArgumentParser:
    lines = [f"  longshore {example}" for example in examples.splitlines()]
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog="\n".join(["example:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **more,
    )
    parser.set_defaults(run=run)
    globals_of(parser, is_top=False)
    return parser


# Commands that start jobs


def add_submits(commands: Any) -> None:
    pull = command(
        commands,
        "pull",
        "submit:pull",
        "populate an overlay from its backing chain",
        "pull /srv/images/top.qcow2 --wait\n"
        "pull top.qcow2 --base base.raw --rate 200MiB -l vm=web1",
    )
    pull_arguments(pull)
    submit_arguments(pull)
    ways = pull.add_mutually_exclusive_group()
    ways.add_argument(
        "--wait",
        action="store_true",
        help="wait for the end of the job; Ctrl-C cancels it, twice more stops waiting "
        "for its end",
    )
    ways.add_argument(
        "--detach",
        action="store_true",
        help="do not wait (the default): the job runs by itself, and Ctrl-C of a later "
        "longshore wait does not cancel it",
    )
    wait_arguments(pull)

    plan = command(
        commands,
        "plan",
        "submit:plan",
        "say what a job would do, and do nothing",
        "plan pull /srv/images/top.qcow2",
    )
    kinds = plan.add_subparsers(title="kinds", metavar="KIND", required=True)
    planned = command(
        kinds,
        "pull",
        "submit:plan",
        "say what a pull would do",
        "plan pull /srv/images/top.qcow2 --base /srv/images/base.raw",
    )
    pull_arguments(planned)


# Commands about images


def add_images(commands: Any) -> None:
    create = command(
        commands,
        "create-image",
        "images:create",
        "make an empty image or an overlay",
        "create-image disk.qcow2 --size 10G\n"
        "create-image top.qcow2 --backing base.raw --backing-format raw",
    )
    create.add_argument("path", metavar="PATH", help="must not exist")
    create.add_argument("--size", type=SIZE, help="virtual size (else the backing's)")
    create.add_argument("--backing", metavar="PATH", help="stack the image on this one")
    create.add_argument(
        "--backing-format",
        choices=IMAGE_FORMATS,
        default="qcow2",
        metavar="FORMAT",
        help="qcow2 (the default) or raw",
    )
    # Nothing given is told from qcow2, which a name may contradict.
    image_arguments(create, None)
    group = create.add_argument_group("qcow2")
    group.add_argument("--cluster-size", type=SIZE, metavar="SIZE", help="512 to 2M")
    group.add_argument("--refcount-bits", type=COUNT, metavar="N", help="1 to 64")
    group.add_argument("--compat", choices=("0.10", "1.1"), help="version 2 or 3")
    group.add_argument("--compression", choices=("zlib", "zstd"))
    group.add_argument("--extended-l2", action="store_true", help="subclusters")
    group.add_argument(
        "--lazy-refcounts", action="store_true", help="postpone refcount updates"
    )

    chain = command(
        commands,
        "chain",
        "images:chain",
        "show an image, what lies behind it and who uses it",
        "chain /srv/images/top.qcow2",
    )
    chain.add_argument("path", metavar="IMAGE", help="its path")
    image_arguments(chain)

    mapping = command(
        commands,
        "map",
        "images:extents",
        "show where the bytes of an image lie",
        "map /srv/images/top.qcow2\nmap /srv/images/top.qcow2 -o json",
    )
    mapping.add_argument("path", metavar="IMAGE", help="its path")
    image_arguments(mapping)


# Commands that look at jobs


def add_queries(commands: Any) -> None:
    listing = command(
        commands,
        "list",
        "queries:listing",
        "list jobs, newest first",
        "list --active -l vm=web1\nlist --state queued,paused\n"
        "list --columns job,state,target -n 20",
        aliases=["ls"],
    )
    select_arguments(listing)
    whose = listing.add_mutually_exclusive_group()
    state_argument(whose)
    whose.add_argument("--active", action="store_true", help="that have not ended")
    listing.add_argument(
        "-n",
        "--limit",
        type=int,
        metavar="N",
        help="at most N jobs, 0 for all (a table shows 100, else all)",
    )
    listing.add_argument("--columns", metavar="NAMES", help="which, by comma")
    listing.add_argument(
        "--no-headers", action="store_true", help="rows only, of a table"
    )

    get = command(
        commands, "get", "queries:get", "show jobs", "get JOB -o yaml", aliases=["show"]
    )
    job_argument(get, nargs="+")

    explain = command(
        commands,
        "explain",
        "explaining:explain",
        "say why a job is where it is and what can be done",
        "explain JOB",
    )
    job_argument(explain, nargs="+")

    watch = command(
        commands,
        "watch",
        "watching:watch",
        "print changes as they happen",
        "watch\nwatch JOB\nwatch --since 4c1f22e0a1b94f6f:1041 -o jsonl",
    )
    job_argument(watch, nargs="?")
    select_arguments(watch)
    watch.add_argument(
        "--since", metavar="CURSOR", help="HISTORY:REVISION of an earlier watch, or now"
    )
    watch.add_argument("--no-progress", action="store_true", help="changes only")

    wait = command(
        commands,
        "wait",
        "waiting:wait",
        "wait for the end of jobs; Ctrl-C stops the waiting, not the jobs",
        "wait JOB --timeout 1h\nwait JOB --for ready,paused",
    )
    job_argument(wait, nargs="+")
    wait.add_argument(
        "--for",
        dest="state",
        action="append",
        default=[],
        metavar="STATE",
        help="wait for a state instead of the end (repeat, or by comma)",
    )
    wait_arguments(wait)

    top = command(
        commands, "top", "top:top", "show jobs that have not ended, live", "top"
    )
    select_arguments(top)
    top.add_argument("--once", action="store_true", help="print once and end")


# Commands that ask something of jobs


def add_verbs(commands: Any) -> None:
    texts = {
        "pause": "stop jobs at their next checkpoint",
        "resume": "let paused jobs go on",
        "cancel": "end jobs and unwind them",
        "complete": "end jobs that are ready: of kinds that go on until they are told, "
        "such as block.mirror; a pull ends by itself",
        "finalize": "make the result of jobs visible",
        "dismiss": "forget jobs that have ended",
    }
    for name, text in texts.items():
        is_chosen = name in ("cancel", "dismiss")
        examples = [f"{name} JOB"]
        if is_chosen:
            examples += [f"{name} -l vm=web1", f"{name} --all"]
        verb = command(commands, name, f"verbs:{name}", text, "\n".join(examples))
        job_argument(verb, nargs="*" if is_chosen else "+")
        if is_chosen:
            choice_arguments(verb)
        if name in ("pause", "cancel"):
            verb.add_argument("--comment", default="", help="why; kept with the job")
        if name == "cancel":
            verb.add_argument(
                "--force",
                action="store_true",
                help="do not wait for a backend that does not answer: of kinds that "
                "have one, which jobs on images (block.*) have not",
            )
            verb.add_argument("--wait", action="store_true", help="until it has ended")
        if name == "complete":
            verb.add_argument(
                "--keep-copy", action="store_true", help="leave the source in use"
            )
    change = command(
        commands,
        "set",
        "verbs:change",
        "change options of a living job",
        "set JOB rate=50MiB priority=5\nset JOB rate=none\n"
        "set JOB on-error=enospc-stop\n"
        "set JOB window=mon-fri/22:00-06:00 window=sat,sun/00:00-24:00",
    )
    job_argument(change)
    change.add_argument(
        "options",
        metavar="NAME=VALUE",
        nargs="+",
        help="rate, burst, iops, burst-iops, priority, not-before, on-error, window "
        "(repeat: all that there are then; in the zone of this machine if none is "
        "named), auto-finalize, auto-dismiss; the value "
        "none takes it away",
    )


def add_limits(commands: Any) -> None:
    limit = command(
        commands,
        "limit",
        "limits:every",
        "show or change the limits that jobs share",
        "limit\nlimit daemon rate=200MiB\nlimit device 8:0 rate=none",
    )
    whose = limit.add_subparsers(title="whose", metavar="WHOSE")
    command(
        whose,
        "daemon",
        "limits:of_daemon",
        "the limit of all jobs together",
        "limit daemon\nlimit daemon rate=200MiB iops=2000",
    )
    device = command(
        whose,
        "device",
        "limits:of_device",
        "the limit of all jobs on one device",
        "limit device /srv/images/top.qcow2 rate=100MiB\nlimit device 8:0 rate=none",
    )
    device.add_argument(
        "device",
        metavar="IMAGE",
        help="an image on the device; or the device: MAJOR:MINOR, vda1, /dev/vda1",
    )
    group = command(
        whose,
        "group",
        "limits:of_group",
        "the limit of all jobs of a group",
        "limit group nightly rate=50MiB burst=8MiB",
    )
    group.add_argument("group", metavar="GROUP", help="its id")
    for parser in whose.choices.values():
        parser.add_argument(
            "options",
            metavar="NAME=VALUE",
            nargs="*",
            help="rate, burst, iops, burst-iops; the value none takes it away; "
            "nothing: show the limit",
        )


# Commands about the daemon and about this program


def add_others(commands: Any) -> None:
    command(
        commands,
        "capabilities",
        "others:capabilities",
        "say what the daemon is and can do",
        "capabilities -o json",
    )
    completion = command(
        commands,
        "completion",
        "others:completion",
        "print a completion script",
        "completion bash > ~/.local/share/bash-completion/completions/longshore\n"
        "completion zsh > ~/.zfunc/_longshore\n"
        "completion tcsh > ~/.longshore.tcsh",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    topics = command(
        commands,
        "help",
        "others:topic",
        "explain a command or a topic",
        "help exit-codes\nhelp units\nhelp pull",
    )
    topics.add_argument(
        "topic",
        nargs="?",
        help="a command, or exit-codes, units, on-error, on-conflict",
    )
