"""Fields of requests as they are typed: what an error of the daemon is about.

The daemon speaks of its API; who typed a command knows options and arguments only.
"""

import re

from ..errors import ImageRefused, ServiceError
from .arguments import Arguments
from .exits import CommandError
from .paths import absolute
from .words import place

_IMAGE = "the image"
_INDEX = r"(?:\[[0-9]+\])?(?:\..+)?"

# Each a whole field; what a request is put into has been taken off.
_NAMES = {
    r"(?:uri|image_uri|image\.uri|top\.uri)": _IMAGE,
    r"(?:format|image\.format|top\.format)": "--format",
    r"base(?:\.uri)?": "--base",
    r"base\.format": "--base-format",
    r"backing(?:\.uri)?": "--backing",
    r"backing\.format": "--backing-format",
    rf"backing_chain{_INDEX}": "--link",
    r"allow_snapshot_loss": "--allow-snapshot-loss",
    r"virtual_size_bytes": "--size",
    r"cluster_size_bytes": "--cluster-size",
    r"refcount_bits": "--refcount-bits",
    r"version": "--compat",
    r"compression_type": "--compression",
    r"extended_l2": "--extended-l2",
    r"lazy_refcounts": "--lazy-refcounts",
    r"speed_bytes_per_second": "--rate",
    r"burst_bytes": "--burst",
    r"iops": "--iops",
    r"burst_operations": "--burst-iops",
    r"priority": "--priority",
    r"earliest_start_time": "--not-before",
    rf"windows{_INDEX}": "--window",
    r"(?:source|target)_error_policy(?:\..+)?": "--on-error",
    r"auto_finalize": "--auto-finalize",
    r"auto_dismiss_delay": "--auto-dismiss",
    r"on_conflict": "--on-conflict",
    rf"after{_INDEX}": "--after",
    r"request_id": "--request-id",
    r"comment": "--comment",
    rf"labels{_INDEX}": "--label",
    rf"job_types{_INDEX}": "--kind",
    rf"group_ids{_INDEX}": "--group",
    r"group_id": "GROUP",
    r"(?:scope\.)?device": "the device",
}
_PUT_INTO = re.compile(
    r"(?:request\.|info\.[a-z]+\.[a-z_]+\.spec\.|options\.|qcow2\.|rate_limit\."
    r"|selector\.|scope\.)+"
)
_WORD = re.compile(r"\b[a-z]+(?:_[a-z]+)+\b")
# There an option is NAME=VALUE.
_BARE = ("verbs:change", "limits:")


def named(message: str, error: Exception, run: str) -> str:
    """A message with every field as the command `run` has it."""
    if not isinstance(error, ServiceError):
        return message
    fields = {error.metadata.get("firstField", "")}
    for violation in error.field_violations:
        fields.add(violation.field)
        # What is wrong may speak of another field: "Needs speed_bytes_per_second".
        said = _WORD.sub(lambda word: typed(word[0], run), violation.description)
        message = message.replace(violation.description, said)
    for field in sorted(fields - {""}, key=len, reverse=True):
        message = message.replace(f"{field}: ", f"{typed(field, run)}: ")
    return message


def typed(field: str, run: str) -> str:
    """One field, by its path in a request; itself if it is none that is typed."""
    if field == "job_id":
        return "--job-id" if run.startswith("submit:") else "JOB"
    inner = _PUT_INTO.sub("", field, count=1)
    for pattern, name in _NAMES.items():
        if re.fullmatch(pattern, inner):
            return name.removeprefix("--") if run.startswith(_BARE) else name
    return field


def hint(error: Exception, args: Arguments) -> str:
    """What to type if an image is not of the format that it was taken for."""
    if not isinstance(error, ImageRefused) or "Not a qcow2" not in error.message:
        return ""
    found = place(error.metadata.get("uri", ""))
    for word, option, hinted in (
        ("backing", "backing_format", "--backing-format raw"),
        ("base", "base_format", "--base-format raw"),
        ("path", "format", "--format raw"),
        ("top", "format", "--format raw, but raw has no backing file to pull from"),
        ("link", "link", f"--link raw:{found}"),
    ):
        if option in args.values and _is_named(args.values.get(word), found):
            return f"if {found} is a raw image, say so: {hinted}"
    return ""


def _is_named(typed: object, found: str) -> bool:
    """Whether a word is that path; the links below are named by headers as well."""
    if not isinstance(typed, str):
        return isinstance(typed, list)
    try:
        return place(absolute(typed)) == found
    except CommandError:
        return False
