"""longshore limit: what is sent, and what is shown of where a limit comes from."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from longshore.cli.exits import Exit
from longshore.cli.limits import block_device
from longshore.v1 import (
    job_pb2,
    job_service_pb2,
    rate_limit_pb2,
    system_service_pb2,
)
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer

MiB = 1024**2

Limit = rate_limit_pb2.RateLimit


def shared(device: str = "", **more: Any) -> rate_limit_pb2.SharedRateLimit:
    scope = rate_limit_pb2.RateLimitScope(device=device)
    if not device:
        scope.daemon.SetInParent()
    return rate_limit_pb2.SharedRateLimit(scope=scope, **more)


@pytest.fixture(autouse=True)
def answering(server: FakeServer) -> None:
    """A daemon with one limit that is configured and one that was set."""
    daemon = shared(
        rate_limit=Limit(speed_bytes_per_second=200 * MiB, iops=500),
        configured=Limit(speed_bytes_per_second=100 * MiB, iops=500),
        overrides=Limit(speed_bytes_per_second=200 * MiB),
        actor="unix",
    )
    server.answers["GetRateLimits"] = system_service_pb2.GetRateLimitsResponse(
        rate_limits=[daemon, shared("8:0")]
    )
    server.answers["UpdateRateLimits"] = system_service_pb2.UpdateRateLimitsResponse(
        rate_limit=daemon
    )


def test_limits_are_shown_with_their_origin(cli: Cli) -> None:
    lines = cli("limit").lines
    assert lines[0].split() == [
        "SCOPE",
        "RATE",
        "BURST",
        "IOPS",
        "BURST-IOPS",
        "ORIGIN",
    ]
    assert "200 MiB/s" in lines[1]
    assert lines[1].endswith("rate set by unix; iops configured")
    assert lines[2].startswith("8:0")


def test_without_an_option_a_limit_is_only_shown(server: FakeServer, cli: Cli) -> None:
    cli("limit", "daemon")
    (asked,) = server.called("GetRateLimits")
    assert asked.scope.WhichOneof("scope") == "daemon"
    assert server.called("UpdateRateLimits") == []


def test_a_limit_of_the_daemon_is_set(server: FakeServer, cli: Cli) -> None:
    assert cli("limit", "daemon", "rate=200MiB", "burst-iops=9").code == Exit.DONE
    (asked,) = server.called("UpdateRateLimits")
    assert asked.rate_limit == Limit(
        speed_bytes_per_second=200 * MiB, burst_operations=9
    )
    assert list(asked.update_mask.paths) == [
        "speed_bytes_per_second",
        "burst_operations",
    ]


def test_none_takes_a_limit_away(server: FakeServer, cli: Cli) -> None:
    cli("limit", "device", "8:16", "rate=none")
    (asked,) = server.called("UpdateRateLimits")
    assert asked.scope.device == "8:16"
    assert asked.HasField("rate_limit")
    assert not asked.rate_limit.HasField("speed_bytes_per_second")
    assert list(asked.update_mask.paths) == ["speed_bytes_per_second"]


def test_a_device_is_named_by_an_image_on_it(server: FakeServer, cli: Cli) -> None:
    cli("limit", "device", "top.qcow2", "iops=7")
    uri = server.called("UpdateRateLimits")[0].scope.image_uri
    assert uri.startswith("/")
    assert uri.endswith("/top.qcow2")


def test_a_device_of_this_host_has_a_number(tmp_path: Path) -> None:
    (tmp_path / "vdx1").mkdir()
    (tmp_path / "vdx1" / "dev").write_text("254:1\n")
    for word, number in (
        ("vdx1", "254:1"),
        ("/dev/vdx1", "254:1"),
        ("vdx2", ""),
        ("/srv/vdx1", ""),
        ("..", ""),
        (str(tmp_path), ""),
    ):
        assert block_device(word, tmp_path) == number


def test_a_node_of_a_device_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    node = SimpleNamespace(st_rdev=os.makedev(254, 3))
    monkeypatch.setattr(Path, "is_block_device", lambda _: True)
    monkeypatch.setattr(Path, "stat", lambda _: node)
    assert block_device("/srv/a-node") == "254:3"


def test_an_option_that_is_no_limit_is_refused(server: FakeServer, cli: Cli) -> None:
    shown = cli("limit", "daemon", "priority=3")
    assert shown.code == Exit.USAGE
    assert "rate, burst, iops, burst-iops" in shown.err
    assert server.calls == []


def test_a_limit_of_a_group_is_set(server: FakeServer, cli: Cli) -> None:
    server.answers["UpdateJobGroup"] = job_service_pb2.UpdateJobGroupResponse(
        rate_limit=Limit(speed_bytes_per_second=5 * MiB),
        jobs=[job_pb2.Job(job_id="a"), job_pb2.Job(job_id="b")],
    )
    shown = cli("limit", "group", "g", "rate=5M")
    assert (
        shown.out == "g  rate=5MiB burst=none iops=none burst-iops=none  shared by 2\n"
    )
    (asked,) = server.called("UpdateJobGroup")
    assert asked.group_id == "g"
    assert list(asked.update_mask.paths) == ["speed_bytes_per_second"]


def test_a_limit_of_a_group_is_shown(server: FakeServer, cli: Cli) -> None:
    server.put("a", group_id="g", group_rate_limit=Limit(iops=3))
    shown = cli("limit", "group", "g")
    assert shown.out == "g  rate=none burst=none iops=3 burst-iops=none  shared by 1\n"


def test_a_group_whose_jobs_have_ended_has_no_limit(
    server: FakeServer, cli: Cli
) -> None:
    server.put("a", "SUCCEEDED", group_id="g")
    shown = cli("limit", "group", "g")
    assert shown.code == Exit.USAGE
    assert "no job of a group g" in shown.err
