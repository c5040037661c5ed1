"""What a test cannot do without."""

import os

import pytest


def need(is_there: bool, what: str) -> None:
    """Leave a test out where its means are missing; in CI it must fail instead."""
    if not is_there and os.environ.get("CI") != "true":
        pytest.skip(f"{what} is needed; CI has it")
