"""The unit under a real systemd: installed by install.sh, in its sandbox, at work."""

import json
import re
import shlex
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.containers.podman import ROOT, Container, Done, podman

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]

SYSTEMD_IMAGE = "localhost/longshore-systemd"

# A manager needs to make namespaces and filters for its services, and nothing of the
# host: the settings of its kernel stay read-only, its network is out of reach.
MANAGER = (
    "--systemd=always",
    *("--cap-add", "ALL"),
    *("--security-opt", "seccomp=unconfined"),
    *("--network", "none"),
)

INSTALL = """
export PIP_NO_INDEX=1 PIP_FIND_LINKS=/source/build/wheels
/source/deploy/install.sh --wheel /source/build/wheels/longshore-*.whl
"""


IMAGES = """
cd /srv/images
longshore create-image $PWD/base.raw --format raw --size 24M
head -c 24M /dev/urandom > base.raw
longshore create-image $PWD/top.qcow2 --backing $PWD/base.raw --backing-format raw
"""


class Machine(Container):
    """A host with the service in it; root types."""

    def sh(self, script: str, *, wanted: int | None = 0) -> Done:
        path = "export PATH=$PATH:/opt/longshore/bin"
        return podman(
            *("exec", self.name, "bash", "-euc", f"{path}\n{script}"), wanted=wanted
        )

    def shown(self, name: str) -> str:
        """A property of the unit, as the manager has it."""
        return self.sh(f"systemctl show -P {name} longshored").out.strip()

    def process(self) -> dict[str, str]:
        """What the kernel says of the daemon."""
        status = self.sh(f"cat /proc/{self.shown('MainPID')}/status").out
        return dict(re.findall(r"(\w+):\t(.*)", status))

    def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.sh(f"longshore get {job_id} -o json").out
        )
        return found

    def await_restart(self, before: str) -> None:
        """Until the manager has started another process, and that is ready."""
        # Both in one answer: a process that was active a moment ago may be gone.
        ask = "systemctl show -p ActiveState -p MainPID longshored | sort | xargs"
        self.sh(
            f"until case $({ask}) in"
            f" 'ActiveState=active MainPID={before}'|'ActiveState=active MainPID=0')"
            " false;; 'ActiveState=active '*) true;; *) false;; esac;"
            " do sleep 0.2; done"
        )


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    machine = Machine(f"longshore-{uuid.uuid4().hex[:12]}")
    podman(
        *("run", "-d", "--name", machine.name),
        *MANAGER,
        *("-v", f"{ROOT}:/source:ro", SYSTEMD_IMAGE),
    )
    try:
        # Until its manager answers nothing can be asked of it.
        machine.sh("until systemctl is-system-running -q --wait; do sleep 0.2; done")
        machine.sh(INSTALL)
        yield machine
    finally:
        machine.remove()


@pytest.fixture
def slow_job(machine: Machine) -> str:
    """A pull that is at work, and slow enough to be met there."""
    machine.sh("rm -f /srv/images/*")
    machine.sh(IMAGES)
    pull = "longshore pull /srv/images/top.qcow2 -q --rate 1MiB"
    return machine.sh(pull).out.strip()


def finish(machine: Machine, job_id: str) -> None:
    """It was taken up again; let it end, and see that the overlay stands alone."""
    assert machine.job(job_id)["worker"]["attempt"] == 2
    machine.sh(f"longshore set {job_id} rate=none && longshore wait {job_id} -q")
    assert "base.raw" not in machine.sh("longshore chain /srv/images/top.qcow2").out


def test_it_is_started_and_told_to_be_ready(machine: Machine) -> None:
    assert machine.shown("Type") == "notify"
    assert machine.shown("ActiveState") == "active"
    assert machine.shown("StatusText") == (
        "Serving on unix:/run/longshore/longshored.sock"
    )
    assert machine.sh("longshored probe").err == "status: SERVING\n"


def test_the_sandbox_is_there(machine: Machine) -> None:
    status = machine.process()
    user = machine.sh("id -u longshore").out.strip()
    assert status["Uid"].split() == [user] * 4
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    # A filter is set.
    assert status["Seccomp"] == "2"


def test_it_sees_the_system_read_only_but_for_what_is_its_own(
    machine: Machine,
) -> None:
    inside = f"nsenter -t {machine.shown('MainPID')} -m"
    for path in ("/usr", "/etc", "/opt/longshore", "/var/lib"):
        wrong = machine.sh(f"{inside} touch {path}/file", wanted=1).err
        assert "Read-only file system" in wrong
    for path in ("/var/lib/longshore", "/run/longshore", "/srv/images"):
        machine.sh(f"{inside} touch {path}/file && {inside} rm {path}/file")


def test_a_job_goes_on_after_a_restart(machine: Machine, slow_job: str) -> None:
    machine.sh("systemctl restart longshored")
    finish(machine, slow_job)


def test_a_daemon_that_is_killed_is_started_again(
    machine: Machine, slow_job: str
) -> None:
    before = machine.shown("MainPID")
    machine.sh("systemctl kill -s KILL longshored")
    machine.await_restart(before)
    finish(machine, slow_job)


def test_a_daemon_that_hangs_is_started_again(machine: Machine, slow_job: str) -> None:
    drop_in = "/run/systemd/system/longshored.service.d"
    sooner = shlex.quote("[Service]\\nWatchdogSec=10s\\n")
    machine.sh(f"mkdir -p {drop_in} && printf {sooner} > {drop_in}/sooner.conf")
    machine.sh("systemctl daemon-reload && systemctl restart longshored")
    before = machine.shown("MainPID")
    machine.sh("systemctl kill -s STOP longshored")
    machine.await_restart(before)
    assert "Watchdog timeout" in machine.sh("journalctl -u longshored").out
    machine.sh(f"rm {drop_in}/sooner.conf && systemctl daemon-reload")


def test_settings_are_taken_over_by_a_reload(machine: Machine) -> None:
    machine.sh("printf '[jobs]\\nslots = 2\\n' >> /etc/longshore/longshored.toml")
    machine.sh("systemctl reload longshored")
    machine.sh("until journalctl -u longshored | grep -q reloaded; do sleep 0.2; done")


def test_every_file_is_closed_to_those_who_are_not_members(machine: Machine) -> None:
    for path, mode in (
        ("/var/lib/longshore", "700 longshore"),
        ("/run/longshore", "750 longshore"),
        ("/etc/longshore/longshored.toml", "640 root"),
    ):
        assert machine.sh(f"stat -c '%a %U' {path}").out.strip() == mode


# The last one: it takes away what the others need.
def test_to_uninstall_takes_the_unit_away(machine: Machine) -> None:
    machine.sh("/source/deploy/install.sh --uninstall --purge")
    left = machine.sh("ls /opt /etc/longshore /var/lib/longshore", wanted=None).out
    assert left.strip() == "/opt:"
    assert machine.sh("systemctl cat longshored", wanted=None).code != 0
