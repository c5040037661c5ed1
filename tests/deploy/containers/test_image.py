"""What the image is: its size, what it says of itself, what it holds."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.containers.podman import BASE_IMAGE, IMAGE, ROOT, podman, run

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]

MIB = 1 << 20
LARGEST = 60 * MIB
LOCK = ROOT / "requirements" / "image.txt"

PRINT_BILL = "print(open('/opt/longshore/sbom.cdx.json').read())"
# Programs may be run by all; what is written belongs to the daemon and its group.
MODES = {
    "/opt/longshore/bin/longshored": "-rwxr-xr-x",
    "/opt/longshore/bin/longshore": "-rwxr-xr-x",
    "/var/lib/longshore": "drwxrwx---",
    "/run/longshore": "drwxrwx---",
}
# What only the build needs.
ABSENT = (
    "/pip",
    "/wheels",
    "/image.txt",
    "/opt/longshore/bin/pip",
    "/opt/longshore/lib/python3.11/site-packages/tests",
)
PRINT_MODES = """
import os, stat, sys
for path in sys.argv[1:]:
    print(stat.filemode(os.stat(path).st_mode) if os.path.exists(path) else "absent")
"""
PRINT_INSTALLED = """
from importlib.metadata import distributions
for one in distributions(path=['/opt/longshore/lib/python3.11/site-packages']):
    print(f"{one.name.lower().replace('_', '-')}=={one.version}")
"""


def inspected(image: str = IMAGE) -> dict[str, Any]:
    (found,) = json.loads(podman("image", "inspect", image).out)
    assert isinstance(found, dict)
    return found


def printed(code: str, *words: str) -> str:
    python = ("--entrypoint", "/opt/longshore/bin/python")
    return podman("run", "--rm", *python, IMAGE, "-c", code, *words).out


def test_our_layers_are_small() -> None:
    over = inspected()["Size"] - inspected(BASE_IMAGE)["Size"]
    assert over <= LARGEST, f"{over / MIB:.1f} MiB over the base"


def test_it_runs_as_a_user_without_a_name_and_ends_with_sigterm() -> None:
    config = inspected()["Config"]
    assert config["User"] == "10001:0"
    assert config["StopSignal"] == "SIGTERM"
    # As a list: no shell is started for any of them.
    assert config["Entrypoint"] == ["longshored"]
    assert config["Cmd"] == ["serve"]
    assert inspected()["Healthcheck"]["Test"] == ["CMD", "longshored", "probe"]


def test_it_says_what_it_is() -> None:
    labels = inspected()["Labels"]
    about = {name.rpartition(".")[2]: text for name, text in labels.items()}
    assert about["title"] == "longshored"
    assert re.fullmatch(r"\d+\.\d+\.\d+", about["version"])
    assert re.fullmatch(r"[0-9a-f]{40}", about["revision"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", about["created"])


def test_bill_and_image_hold_what_the_lock_says() -> None:
    locked = set(re.findall(r"^(\S+==\S+)", LOCK.read_text(), re.MULTILINE))
    ours = f"longshore=={inspected()['Labels']['org.opencontainers.image.version']}"
    bill = json.loads(printed(PRINT_BILL))["components"]
    billed = {f"{one['name']}=={one['version']}" for one in bill}
    installed = set(printed(PRINT_INSTALLED).split())
    assert {name.replace("_", "-") for name in billed} == locked | {ours}
    assert installed == locked | {ours}


def test_the_lock_of_the_image_is_part_of_the_lock_of_the_tests() -> None:
    tested = (ROOT / "requirements" / "dev.txt").read_text().splitlines()
    missing = set(LOCK.read_text().splitlines()[1:]) - set(tested)
    assert missing == set()


def test_its_files_are_open_as_they_must_be() -> None:
    assert printed(PRINT_MODES, *MODES).split() == [*MODES.values()]


def test_nothing_of_the_build_is_left() -> None:
    assert set(printed(PRINT_MODES, *ABSENT).split()) == {"absent"}


def test_no_volume_is_made_that_nobody_asked_for() -> None:
    assert "Volumes" not in inspected()["Config"]


@pytest.mark.parametrize("words", [("longshored", "--version"), ("longshore", "help")])
def test_daemon_and_command_line_are_there(words: tuple[str, str]) -> None:
    program, argument = words
    done = podman("run", "--rm", "--entrypoint", program, IMAGE, argument)
    assert done.out.strip()


def test_a_second_build_makes_the_same_layers(tmp_path: Path) -> None:
    first = inspected()
    created = first["Labels"]["org.opencontainers.image.created"]
    seconds = run("date", "-d", created, "+%s").out.strip()
    second = f"{IMAGE}-again"
    podman(
        *("build", "-q", "--no-cache", "--format", "docker", "--timestamp", seconds),
        *("--build-arg", f"BASE_IMAGE={BASE_IMAGE}", "-t", second, str(ROOT)),
    )
    layers = inspected(second)["RootFS"]["Layers"]
    podman("rmi", second)
    assert layers == first["RootFS"]["Layers"]
