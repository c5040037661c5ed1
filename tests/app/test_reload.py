"""Which settings change in a daemon at work, and which wait for a restart."""

from dataclasses import fields, replace

from longshored.app.reload import LIVE, reload
from longshored.config.settings import Config


def test_every_live_setting_is_one() -> None:
    config = Config()
    known = {
        f"{section.name}.{key.name}"
        for section in fields(config)
        for key in fields(getattr(config, section.name))
    }
    assert known >= LIVE


def test_what_is_live_is_taken_and_the_rest_is_told() -> None:
    old = Config()
    new = replace(
        old,
        jobs=replace(old.jobs, slots=9),
        server=replace(old.server, insecure=True, stop_seconds=3.0),
    )
    outcome = reload(old, new)
    assert outcome.changed == ("server.stop_seconds", "jobs.slots")
    assert outcome.refused == ("server.insecure",)
    assert outcome.config.jobs.slots == 9
    assert outcome.config.server.stop_seconds == 3.0
    assert not outcome.config.server.insecure


def test_the_same_settings_change_nothing() -> None:
    outcome = reload(Config(), Config())
    assert (outcome.config, outcome.changed, outcome.refused) == (Config(), (), ())
