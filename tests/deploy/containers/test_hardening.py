"""What a container of the image may, and as whom."""

import re
from pathlib import Path

import pytest

from tests.deploy.containers.harbour import Harbour

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]

STATUS = "print(open('/proc/1/status').read())"
WRITE = """
try:
    open('{path}', 'w')
except OSError as error:
    print(error.strerror)
"""


def test_it_has_no_capability_and_gains_none(harbour: Harbour) -> None:
    status = dict(re.findall(r"(\w+):\t(.*)", harbour.serve().python(STATUS)))
    assert status["Uid"].split() == ["10001"] * 4
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("path", ["/file", "/tmp/file", "/opt/longshore/file"])
def test_it_can_write_to_its_volumes_only(harbour: Harbour, path: str) -> None:
    wrong = harbour.serve().python(WRITE.format(path=path))
    assert wrong == "Read-only file system"


def test_any_user_will_do_with_volumes_that_it_may_write(tmp_path: Path) -> None:
    harbour = Harbour(tmp_path, user="123456:0")
    try:
        assert harbour.serve().healthy()
        harbour.overlay()
        harbour.pull("--wait")
        harbour.assert_pulled()
    finally:
        harbour.close()


def test_a_named_volume_is_the_daemons_from_the_start(harbour: Harbour) -> None:
    volumes = (
        *("-v", "/var/lib/longshore"),
        *("-v", f"{harbour.images}:/srv/images"),
        *("-v", "/run/longshore"),
    )
    container = harbour.begin(volumes=volumes)
    container.await_line('"ready"')
    assert container.healthy()
