"""A machine with Python, venv, make and git: a fresh clone, and what its user types.

What another machine happens to have installed proves nothing, so all of it runs in a
container of bare Debian, without root. Only the way to the packages is the host's own.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.containers.podman import ROOT, Container, podman

# Far more than any machine takes for all that is installed, compiled and tested.
LONGEST = 900.0

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(LONGEST + 60)]

FRESH_IMAGE = "localhost/longshore-fresh"

TRUST = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
FILES = (Path("/etc/pip.conf"), Path("/etc/ssl/certs/ca-certificates.crt"))


def way_to_the_packages() -> Iterator[str]:
    """What the host tells pip about indexes and whom to trust, as podman takes it."""
    names = [name for name in os.environ if name.startswith("PIP_") or name in TRUST]
    named = {Path(os.environ[name]) for name in names}
    for path in sorted({*FILES, *named}):
        if path.is_absolute() and path.exists():
            yield from ("-v", f"{path}:{path}:ro")
    for name in names:
        # By name: a value may hold what no log should.
        yield from ("-e", name)


CLONE = """
git config --global --add safe.directory '*'
git clone -q --depth 1 file:///source longshore
"""


class Machine(Container):
    """The container, with a clone in the home of its user."""

    def make(self, target: str) -> str:
        """What it printed, errors included; a failed one has that in its assertion."""
        script = f"cd longshore && exec 2>&1 && make {target}"
        return podman("exec", self.name, "sh", "-c", script, patience=LONGEST).out


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    machine = Machine(f"longshore-fresh-{os.getpid()}")
    podman(
        *("run", "-d", "--init", "--name", machine.name),
        *("-v", f"{ROOT}:/source:ro"),
        *way_to_the_packages(),
        *(FRESH_IMAGE, "sleep", "infinity"),
    )
    podman("exec", machine.name, "sh", "-ec", CLONE)
    yield machine
    machine.remove()


def test_the_user_is_not_root_and_has_no_more_than_was_promised(
    machine: Machine,
) -> None:
    look = "id -u; for tool in pip gcc protoc qemu-img; do command -v $tool; done"
    done = podman("exec", machine.name, "sh", "-c", look, wanted=None)
    assert done.out == "1000\n"


def test_the_demo_runs(machine: Machine) -> None:
    said = machine.make("demo")
    assert "the same, with base.raw and mid.qcow2 deleted" in said


def test_the_check_holds_and_says_what_it_left_out(machine: Machine) -> None:
    said = machine.make("check")
    assert "protoc is missing: its check is left out" in said
    assert re.search(r"=+ \d+ passed.* in .*=+$", said.strip())
