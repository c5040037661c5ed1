"""Where a test's daemon lives."""

from tests.service.conftest import place

__all__ = ["place"]
