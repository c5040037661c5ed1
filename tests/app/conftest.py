"""Daemons with a scripted driver, as the tests of the service have them."""

from tests.service.conftest import daemon, driver, open_daemon, place, stubs

__all__ = ["daemon", "driver", "open_daemon", "place", "stubs"]
