"""Fail points: inert unless asked for, and named."""

import errno
import signal
import subprocess
import sys

import pytest

from longshored.scheduler.failpoints import FAIL_POINTS, inert, parse


def test_nothing_asked_for_is_the_inert_one() -> None:
    assert parse("", FAIL_POINTS) is inert


def test_an_error_is_raised_where_it_was_asked_for() -> None:
    point = parse("job.worked=error:ENOSPC", FAIL_POINTS)
    point("job.saved")
    with pytest.raises(OSError, match=r"job\.worked") as caught:
        point("job.worked")
    assert caught.value.errno == errno.ENOSPC


def test_a_count_picks_one_of_the_times() -> None:
    point = parse("job.saved=error:EIO@3", FAIL_POINTS)
    point("job.saved")
    point("job.saved")
    with pytest.raises(OSError, match=r"job\.saved"):
        point("job.saved")
    point("job.saved")


def test_several_rules_stand_beside_each_other() -> None:
    point = parse("job.saved=sleep:0;job.worked=error:EIO", FAIL_POINTS)
    point("job.saved")
    with pytest.raises(OSError, match=r"job\.worked"):
        point("job.worked")


def test_a_kill_is_the_end_of_the_process() -> None:
    code = (
        "from longshored.scheduler.failpoints import parse\n"
        "parse('a=kill@2', ['a'])('a')\n"
        "point = parse('a=kill', ['a'])\n"
        "point('a')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "text",
    [
        "nowhere=kill",
        "job.saved",
        "job.saved=explode",
        "job.saved=error:EWHAT",
        "job.saved=sleep:soon",
        "job.saved=kill@often",
    ],
)
def test_a_rule_that_is_wrong_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse(text, FAIL_POINTS)
