"""Options that several commands share."""

import argparse
from typing import Any

from .arguments import COUNT, RATE, SIZE, SPAN, label, link

IMAGE_FORMATS = ("qcow2", "raw")
# The first is what a job does that was told nothing.
ON_ERROR = ("report", "skip", "retry", "stop", "enospc-stop")


def pull_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("top", metavar="TOP", help="the overlay to populate")
    parser.add_argument(
        "--base", metavar="IMAGE", help="stop at this image of the chain and keep it"
    )
    parser.add_argument(
        "--base-format",
        choices=IMAGE_FORMATS,
        metavar="FORMAT",
        help="its format (else as the headers of the chain declare it)",
    )
    parser.add_argument(
        "--allow-snapshot-loss",
        action="store_true",
        help="pull though internal snapshots of TOP show data of the images below, and "
        "lose it by that",
    )
    image_arguments(parser)


def image_arguments(
    parser: argparse.ArgumentParser, default: str | None = "qcow2"
) -> None:
    parser.add_argument(
        "--format",
        choices=IMAGE_FORMATS,
        default=default,
        metavar="FORMAT",
        help="qcow2 (the default) or raw: declared, never guessed",
    )
    link_argument(parser)


def link_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--link",
        type=link,
        action="append",
        default=[],
        metavar="FORMAT:PATH",
        help="declare the chain below, nearest first (repeat); for headers that name "
        "no format",
    )


def submit_arguments(parser: argparse.ArgumentParser) -> None:
    """The same for every kind of job."""
    group = parser.add_argument_group("how the job is run")
    add = group.add_argument
    add("--rate", type=RATE, help="bytes a second, such as 50MiB; else no limit")
    add("--burst", type=SIZE, metavar="SIZE", help="bytes at once after a rest")
    add("--iops", type=COUNT, metavar="N", help="requests a second")
    add("--burst-iops", type=COUNT, metavar="N", help="requests at once after a rest")
    add("--priority", type=int, metavar="N", help="-1000 to 1000; higher goes first")
    add(
        "--after",
        action="append",
        default=[],
        metavar="JOB",
        help="start when this job has succeeded (repeat)",
    )
    add(
        "--not-before",
        metavar="WHEN",
        help="start at this time (2026-11-20T22:00:00+01:00) or after so long (2h)",
    )
    add(
        "--on-conflict",
        choices=("fail", "queue", "return"),
        default="fail",
        metavar="WHAT",
        help="if someone holds the image: fail (the default), queue, or return the "
        "job that does the same; see: longshore help on-conflict",
    )
    add(
        "--on-error",
        choices=ON_ERROR,
        metavar="WHAT",
        help=f"if reading or writing fails: {', '.join(ON_ERROR)}; see: longshore help "
        "on-error",
    )
    add(
        "--window",
        action="append",
        default=[],
        metavar="WHEN",
        help="work then only: 22:00-06:00, mon-fri/22:00-06:00/Europe/Madrid (repeat); "
        "without a zone, in that of this machine",
    )
    add(
        "--manual-finalize",
        action="store_true",
        help="wait in PENDING for: longshore finalize JOB",
    )
    add(
        "--auto-dismiss",
        type=SPAN,
        metavar="DURATION",
        help="forget the job so long after its end",
    )
    add(
        "-l",
        "--label",
        type=label,
        action="append",
        default=[],
        metavar="K=V",
        help="for finding it again (repeat)",
    )
    add("--job-id", default="", metavar="ID", help="choose the id")
    add(
        "--request-id",
        default="",
        metavar="UUID",
        help="sent again with the same one, no second job is made",
    )


def wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=SPAN,
        metavar="DURATION",
        help="stop waiting after so long (exit code 124); the job goes on",
    )
    parser.add_argument(
        "--progress",
        choices=("auto", "tty", "plain", "json", "none"),
        default="auto",
        metavar="HOW",
        help="on stderr: tty (a live bar), plain (lines), json, none; auto chooses",
    )


def job_argument(parser: argparse.ArgumentParser, **more: Any) -> None:
    parser.add_argument(
        "job",
        metavar="JOB",
        help="its id, an unambiguous beginning or end of it (4 characters at least), "
        "or the path of the image that it changes",
        **more,
    )


def choice_arguments(parser: argparse.ArgumentParser) -> None:
    """Instead of jobs by name; says how many there are, and refuses none."""
    group = parser.add_argument_group("instead of JOB")
    select_arguments(group)
    state_argument(group)
    group.add_argument("--all", action="store_true", help="all that it can be asked of")


def state_argument(parser: Any) -> None:
    parser.add_argument(
        "--state",
        action="append",
        default=[],
        metavar="STATE",
        help="in this state (repeat, or by comma)",
    )


def select_arguments(parser: Any) -> None:
    parser.add_argument(
        "-l",
        "--label",
        type=label,
        action="append",
        default=[],
        metavar="K=V",
        help="with this label (repeat)",
    )
    parser.add_argument(
        "--kind",
        action="append",
        default=[],
        metavar="KIND",
        help="of this kind: block.pull, block.* (repeat, or by comma)",
    )
    parser.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="GROUP",
        help="of this group (repeat)",
    )
