"""Making images: what is asked of the daemon."""

import pytest

from longshore.cli.exits import Exit
from longshore.v1 import image_pb2, image_service_pb2
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer


@pytest.fixture(autouse=True)
def made(server: FakeServer) -> None:
    """Every image can be made."""
    link = image_pb2.ImageLink(uri="file:///a", format="qcow2")
    server.answers["CreateImage"] = image_service_pb2.CreateImageResponse(
        image=image_pb2.Image(chain=[link])
    )


@pytest.mark.parametrize("name", ["/x.raw", "/x.IMG"])
def test_a_name_of_a_raw_image_wants_a_format(
    server: FakeServer, cli: Cli, name: str
) -> None:
    shown = cli("create-image", name, "--size", "1G")
    assert shown.code == Exit.USAGE
    assert "--format raw, or --format qcow2" in shown.err
    assert server.calls == []
    for declared in ("raw", "qcow2"):
        assert cli("create-image", name, "--size", "1G", "--format", declared).code == 0
    asked = [request.image.format for request in server.called("CreateImage")]
    assert asked == ["raw", "qcow2"]


def test_any_other_is_qcow2(server: FakeServer, cli: Cli) -> None:
    assert cli("create-image", "/x.disk", "--size", "1G").code == Exit.DONE
    (asked,) = server.called("CreateImage")
    assert asked.image.format == "qcow2"
    assert asked.HasField("qcow2")
