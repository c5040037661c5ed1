"""The zone of this machine, by its name."""

from pathlib import Path

import pytest

from longshore.cli.zone import local_zone

ZONES = "/usr/share/zoneinfo"


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ("Europe/Madrid", "Europe/Madrid"),
        (":Europe/Madrid", "Europe/Madrid"),
        (f":{ZONES}/Europe/Madrid", "Europe/Madrid"),
        ("", "UTC"),
    ],
)
def test_tz_names_the_zone(given: str, zone: str) -> None:
    assert local_zone({"TZ": given}) == zone


@pytest.mark.parametrize("given", ["CET-1CEST,M3.5.0", "Europe/Nowhere", "/x"])
def test_a_tz_that_is_no_name_is_not_guessed(given: str) -> None:
    with pytest.raises(ValueError, match="is no IANA name"):
        local_zone({"TZ": given})


@pytest.mark.parametrize(
    ("target", "zone"),
    [
        (f"{ZONES}/Europe/Madrid", "Europe/Madrid"),
        (f"..{ZONES}/posix/America/Argentina/Ushuaia", "America/Argentina/Ushuaia"),
        (f"{ZONES}/Europe/Nowhere", "UTC"),
        ("/etc/zone", "UTC"),
    ],
)
def test_else_the_link_does(tmp_path: Path, target: str, zone: str) -> None:
    link = tmp_path / "localtime"
    link.symlink_to(target)
    assert local_zone({}, link) == zone


def test_a_copy_of_a_zone_has_no_name_and_is_not_guessed(tmp_path: Path) -> None:
    copy = tmp_path / "localtime"
    copy.write_bytes(Path(f"{ZONES}/Europe/Madrid").read_bytes())
    for environment in ({}, {"TZ": f":{copy}"}):
        with pytest.raises(ValueError, match="is no IANA name"):
            local_zone(environment, copy)


def test_tz_may_name_the_link(tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to(f"{ZONES}/Europe/Madrid")
    assert local_zone({"TZ": f":{link}"}, link) == "Europe/Madrid"


def test_else_it_is_utc(tmp_path: Path) -> None:
    assert local_zone({}, tmp_path / "localtime") == "UTC"
