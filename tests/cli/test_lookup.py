"""Which job a word names: an end of an id, an image; and paths with `..` in them."""

from pathlib import Path

import pytest

from longshore.cli.exits import CommandError, Exit
from longshore.cli.lookup import ACTIVE, ENDED, short_id
from longshore.cli.paths import absolute
from longshore.v1 import job_pb2, job_service_pb2, node_pb2
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer

FIRST = "01a1f9fc-46c0-7c93-89ea-87fec0ce57a4"
SECOND = "01a1f9fc-46c1-7c93-89ea-87fec0cf57a4"


@pytest.fixture
def two(server: FakeServer) -> None:
    """Jobs of one minute."""
    server.put(FIRST)
    server.put(SECOND)


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("word", ["0ce57a4", "…c0ce57a4", "...c0ce57a4"])
def test_an_unambiguous_end_is_enough(cli: Cli, word: str) -> None:
    assert cli("-q", "get", word).out == f"{FIRST}\n"


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("word", ["57a4", "…57a4", "01a1f9fc"])
def test_a_part_of_two_names_both(cli: Cli, word: str) -> None:
    shown = cli("get", word)
    assert shown.code == Exit.USAGE
    assert f"{word} may be any of 2 jobs: {SECOND}, {FIRST}" in shown.err


@pytest.mark.usefixtures("two")
@pytest.mark.parametrize("word", ["…01a1f9fc", "…7a4"])
def test_what_is_left_out_stands_before_an_end(cli: Cli, word: str) -> None:
    assert cli("get", word).code == Exit.USAGE


def test_the_id_of_a_narrow_table_can_be_typed(server: FakeServer, cli: Cli) -> None:
    server.put(FIRST)
    assert short_id(FIRST) == "…c0ce57a4"
    assert cli("-q", "get", short_id(FIRST)).out == f"{FIRST}\n"
    assert short_id("nightly-backup-of-all") == "nightly-backup-of-all"


def node(path: Path, *taken: node_pb2.Permission.ValueType) -> node_pb2.JobNode:
    return node_pb2.JobNode(uri=path.as_uri(), hold=node_pb2.Hold(taken=taken))


def test_a_job_is_named_by_an_image_that_it_changes(
    server: FakeServer, cli: Cli, tmp_path: Path
) -> None:
    top, base, link = (tmp_path / name for name in ("a top", "base", "link"))
    top.touch()
    link.symlink_to(top)
    changes = node(top, node_pb2.PERMISSION_WRITE)
    reads = node(base, node_pb2.PERMISSION_CONSISTENT_READ)
    server.put("over", "SUCCEEDED", nodes=[changes])
    server.put("works", nodes=[changes, reads])
    for word in (str(top), str(link), f"{tmp_path}/x/../a top", top.as_uri()):
        (tmp_path / "x").mkdir(exist_ok=True)
        assert cli("-q", "get", word).out == "works\n"
    assert f"no job that has not ended changes {base}" in cli("get", str(base)).err
    server.put("waits", "QUEUED", nodes=[changes])
    shown = cli("get", str(top))
    assert f"{top} is changed by 2 jobs: waits, works" in shown.err
    (asked, *_) = server.called("ListJobs")
    assert set(asked.states) == set(ACTIVE)


def test_every_state_is_one_of_an_active_job_or_of_one_that_has_ended() -> None:
    assert {*ACTIVE, *ENDED} == {*job_pb2.JobState.values()} - {0}


def test_a_job_to_come_after_may_be_named_so_too(server: FakeServer, cli: Cli) -> None:
    server.put(FIRST)
    answer = job_service_pb2.CreateJobResponse(job=job_pb2.Job(job_id="made"))
    server.answers["CreateJob"] = answer
    cli("pull", "/top", "--after", "c0ce57a4", "--after", "gone-by-now")
    (asked,) = server.called("CreateJob")
    assert list(asked.after) == [FIRST, "gone-by-now"]
    assert cli("pull", "/top", "--after", "/no/image").code == Exit.USAGE


def test_a_step_up_is_the_kernel_s(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "link").symlink_to("deep/er")
    (tmp_path / "deep" / "top").symlink_to("elsewhere")
    # Up from where the link leads to, and what follows is not looked at.
    assert absolute(f"{tmp_path}/link/../top") == f"{tmp_path}/deep/top"
    assert absolute(f"{tmp_path}/link/top") == f"{tmp_path}/link/top"


def test_a_step_up_from_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot tell what '\.\.' is: No such file"):
        absolute(f"{tmp_path}/nowhere/../top")
