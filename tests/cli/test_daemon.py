"""The command line against the daemon itself: one user's first hour."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from longshore.cli.exits import Exit
from tests.cli.conftest import Cli
from tests.support.daemon import LocalDaemon, Place

KiB = 1024
MiB = 1024 * KiB

pytestmark = pytest.mark.slow


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Path]:
    place = Place(tmp_path)
    daemon = LocalDaemon(place.config()).start()
    yield place.root
    daemon.stop_once()


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(Place(tmp_path).address)


@pytest.fixture
def top(images: Path, cli: Cli) -> str:
    """An overlay on an overlay on raw data."""
    base, mid, top = (images / name for name in ("base.raw", "mid.qcow2", "top.qcow2"))
    assert cli("create-image", str(base), "--format", "raw", "--size", "4M").code == 0
    base.write_bytes(bytes(range(256)) * (2 * MiB // 256) + bytes(2 * MiB))
    over_raw = ("--backing", str(base), "--backing-format", "raw")
    assert cli("create-image", str(mid), *over_raw).code == 0
    assert cli("create-image", str(top), "--backing", str(mid)).code == 0
    return str(top)


def test_a_chain_is_a_tree(cli: Cli, images: Path, top: str) -> None:
    lines = cli("chain", top).lines
    assert lines[0].startswith(f"{top}  qcow2  4 MiB, ")
    assert lines[1].startswith(f"└─ {images}/mid.qcow2  qcow2  4 MiB, ")
    assert lines[2].startswith(f"   └─ {images}/base.raw  raw  4 MiB, ")


def test_a_map_has_the_keys_of_qemu_img(cli: Cli, top: str) -> None:
    runs = json.loads(cli("map", top, "-o", "json").out)
    assert runs[0]["start"] == 0
    assert sum(run["length"] for run in runs) == 4 * MiB
    assert runs[0]["depth"] == 2
    assert runs[0]["data"]
    assert {"start", "length", "depth", "present", "zero", "data"} <= set(runs[0])


@pytest.mark.qemu
def test_a_map_is_that_of_qemu_img(cli: Cli, images: Path, top: str) -> None:
    """With a hole in the raw base, and a top that is longer than it."""
    with (images / "base.raw").open("r+b") as base:
        base.truncate(1 * MiB)
        base.truncate(3 * MiB)
    rows = json.loads(cli("map", top, "-o", "json").out)
    assert not any(row.pop("compressed") for row in rows)
    command = ["qemu-img", "map", "--output=json", "-f", "qcow2", top]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert rows == json.loads(done.stdout)
    assert [(row["present"], "offset" in row) for row in rows] == [
        (True, True),
        (True, True),
        (False, False),
    ]


def test_a_map_for_people_names_the_files(cli: Cli, images: Path, top: str) -> None:
    assert f"{images}/base.raw" in cli("map", top).lines[1]


def test_a_pull_is_planned_made_and_over(cli: Cli, images: Path, top: str) -> None:
    plan = cli("plan", "pull", top)
    assert plan.code == Exit.DONE
    assert "4 MiB (4194304 bytes)" in plan.out
    done = cli("pull", top, "--wait", "-l", "vm=web")
    assert done.code == Exit.DONE, done.err
    job_id = done.out.strip()
    assert len(cli("chain", top).lines) == 1
    assert "SUCCEEDED" in cli("list", "-l", "vm=web").out
    shown = json.loads(cli("get", job_id, "-o", "json").out)
    assert shown["progress"]["current"] == shown["progress"]["total"]
    assert cli("dismiss", job_id).code == Exit.DONE
    assert cli("get", job_id).code == Exit.USAGE


def test_a_pull_down_to_a_base_knows_its_format(
    cli: Cli, images: Path, top: str
) -> None:
    base = str(images / "base.raw")
    done = cli("pull", top, "--base", base, "--wait")
    assert done.code == Exit.DONE, done.err
    lines = cli("chain", top).lines
    assert lines[1].startswith(f"└─ {base}  raw")


def test_a_job_is_steered(cli: Cli, top: str) -> None:
    job_id = cli("pull", top, "--rate", "64KiB").out.strip()
    cli("wait", job_id, "--for", "running")
    assert "rate=128KiB" in cli("set", job_id, "rate=128KiB").out
    steered = ("on-error=enospc-stop", "window=mon-sun/00:00-24:00/UTC")
    assert cli("set", job_id, *steered).out.split()[2:] == [
        "on-error=enospc-stop",
        "window=mon,tue,wed,thu,fri,sat,sun/00:00-24:00/UTC",
    ]
    assert cli("set", job_id, "on-error=none", "window=none").out.split()[2:] == [
        "on-error=report",
        "window=none",
    ]
    assert cli("pause", job_id, "--comment", "lunch").code == Exit.DONE
    assert cli("wait", job_id, "--for", "paused").code == Exit.DONE
    explained = cli("explain", job_id).out
    assert "PAUSED" in explained
    assert f"next: longshore resume {job_id}" in explained
    assert f"held by job {job_id}" in cli("chain", top).out
    busy = cli("pull", top)
    assert busy.code == Exit.CONFLICT
    assert f"longshore explain {job_id}" in busy.err
    behind = cli("pull", top, "--on-conflict", "queue").out.strip()
    assert job_id in cli("explain", behind).out
    assert cli("top", "--once").lines[0] == "1 paused, 1 queued"
    assert cli("resume", job_id).code == Exit.DONE
    assert cli("cancel", behind, job_id, "--wait").code == Exit.DONE
    assert cli("wait", job_id).code == Exit.CANCELLED


def test_a_job_waits_to_be_finalized(cli: Cli, top: str) -> None:
    job_id = cli("pull", top, "--manual-finalize").out.strip()
    assert cli("wait", job_id, "--for", "pending").code == Exit.DONE
    assert f"longshore finalize {job_id}" in cli("explain", job_id).out
    assert cli("finalize", job_id).code == Exit.DONE
    assert cli("wait", job_id).code == Exit.DONE


def test_history_is_watched_from_its_beginning(cli: Cli, top: str) -> None:
    capabilities = json.loads(cli("capabilities", "-o", "json").out)
    job_id = cli("pull", top, "--wait").out.strip()
    told = [
        json.loads(line)
        for line in cli(
            *("watch", job_id, "--since", f"{capabilities['historyId']}:0"),
            *("-o", "jsonl", "--no-progress"),
        ).lines
    ]
    assert told[0]["type"] == "CREATED"
    assert told[-1]["job"]["state"] == "JOB_STATE_SUCCEEDED"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("chain", "/nowhere.qcow2"), Exit.NOT_ALLOWED, "/nowhere.qcow2"),
        (("pull", "nothing.qcow2"), Exit.NOT_ALLOWED, "nothing.qcow2"),
        (("create-image", "/etc/x", "--size", "1M"), Exit.NOT_ALLOWED, "/etc/x"),
        (("pause", "no-such-job"), Exit.USAGE, "no-such-job"),
        (("pull", "/x", "--job-id", "Not Good"), Exit.USAGE, "--job-id:"),
    ],
)
@pytest.mark.usefixtures("images")
def test_what_is_wrong_is_named(
    cli: Cli, words: tuple[str, ...], code: Exit, said: str
) -> None:
    shown = cli(*words)
    assert shown.code == code, shown.err
    (line,) = shown.err.splitlines()
    assert said in line


def test_an_image_is_not_made_over_another(cli: Cli, top: str) -> None:
    shown = cli("create-image", top, "--size", "1M")
    assert shown.code == Exit.CONFLICT
    assert top in shown.err


def test_options_of_qcow2_are_refused_for_a_raw_image(cli: Cli, images: Path) -> None:
    raw = images / "new.raw"
    options = ("--size", "1M", "--format", "raw", "--cluster-size", "64K")
    shown = cli("create-image", str(raw), *options)
    assert shown.code == Exit.USAGE
    assert "--format" in shown.err
    assert not raw.exists()
