"""The unit is right, closed, and lets the daemon do its work."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from longshored.app.command import main
from tests.support.daemon import Place
from tests.support.units import allowed_calls, exposure, settings

# And a machine for developing may have no systemd; CI has it.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "systemd" / "longshored.service"
DROP_INS = sorted((UNIT.parent / "drop-ins").glob("*.conf"))

MOST_EXPOSED = 2.0
# Two capabilities cost that much: who asks for images of others has to pay for it.
MOST_EXPOSED_WHEN_ASKED = 2.1

# PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN: what MemoryDenyWriteExecute does by a filter.
CLOSED = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.stderr.write("the kernel has no PR_SET_MDWE; that part is left out\\n")
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_the_unit_leaves_little_open() -> None:
    assert exposure(str(UNIT)) <= MOST_EXPOSED


@pytest.mark.parametrize("drop_in", DROP_INS, ids=lambda path: path.stem)
def test_each_drop_in_opens_little_more(drop_in: Path, tmp_path: Path) -> None:
    units = tmp_path / "etc" / "systemd" / "system"
    more = units / "longshored.service.d"
    more.mkdir(parents=True)
    (units / UNIT.name).write_bytes(UNIT.read_bytes())
    (more / drop_in.name).write_bytes(drop_in.read_bytes())
    assert exposure(UNIT.name, root=tmp_path) <= MOST_EXPOSED_WHEN_ASKED


def test_no_other_setting_takes_away_the_call_that_opens_images() -> None:
    # It answers openat2 with ENOSYS, since it cannot see the mode in there.
    assert settings(UNIT, "RestrictSUIDSGID") == []


def test_the_manager_waits_longer_than_a_drain_takes() -> None:
    (text,) = settings(UNIT, "TimeoutStopSec")
    # server.stop_seconds, and the grace for calls.
    assert float(text.rstrip("s")) > 10 + 5


def test_the_settings_that_are_installed_are_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (UNIT.parent / "longshored.toml").read_text()
    # What it names is there only where it is installed.
    (tmp_path / "images").mkdir()
    for told, here in (("/srv/images", "images"), ("/var/lib/longshore", "state")):
        assert told in text
        text = text.replace(told, str(tmp_path / here))
    file = tmp_path / "longshored.toml"
    file.write_text(text)
    assert main(["config", "check", "--config", str(file)]) == 0
    capsys.readouterr()


# Images are opened with it; what jobs do most is done with others.
WITNESS = "openat2"

# A session under the unit's own restrictions: the calls that it makes are compared
# with those that the filter allows, since only a manager could set the filter up.
SESSION = """
set -eu
trap 'kill -9 $(cat {state}/lock) 2>/dev/null || true' EXIT
{serve} &
until {longshore} list >/dev/null 2>&1; do sleep 0.2; done
{longshore} create-image {root}/base.raw --format raw --size 8M
dd if=/dev/urandom of={root}/base.raw bs=1M count=4 conv=notrunc status=none
{longshore} create-image {root}/top.qcow2 --backing {root}/base.raw \
    --backing-format raw
job=$({longshore} pull {root}/top.qcow2)
{longshore} wait $job >/dev/null
daemon=$(cat {state}/lock)
kill -HUP $daemon
kill -TERM $daemon
wait %1
"""


def test_the_daemon_makes_no_call_that_the_unit_forbids(tmp_path: Path) -> None:
    place = Place(tmp_path)
    calls = place.directory / "calls"
    closed = f"{sys.executable} -c '{CLOSED}'"
    drop = "setpriv --no-new-privs --bounding-set=-all --inh-caps=-all"
    # Only what is forbidden is traced, so the rest runs at its own pace; and one call
    # beside, to see that it would be noticed.
    quiet = ",".join(f"?{name}" for name in sorted(allowed_calls(UNIT) - {WITNESS}))
    strace = f"strace -f -qq --seccomp-bpf -e 'trace=!{quiet}'"
    serve = (
        f"{drop} {closed} {strace} -o {calls} {sys.executable} -m longshored serve"
        f" --state {place.state} --root {place.root} --listen {place.address}"
    )
    script = SESSION.format(
        serve=serve,
        longshore=f"{sys.executable} -m longshore.cli",
        root=place.root,
        state=place.state,
    )
    done = subprocess.run(
        ["timeout", "45", "bash", "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "LONGSHORE_ADDRESS": place.address},
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    made = set(re.findall(r"^\d+ +([a-z_0-9]+)\(", calls.read_text(), re.MULTILINE))
    # SQLite gives its files to the owner of the database, which only root has to.
    as_root = {"fchown"} if os.geteuid() == 0 else set[str]()
    assert made - as_root == {WITNESS}
