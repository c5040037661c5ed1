"""Which kinds of jobs this daemon serves."""

from collections.abc import Mapping
from dataclasses import replace

from ..block.copy.turns import Turns
from ..block.roots import Roots
from .base import Driver, by_kind
from .pull import PullDriver
from .pull_batches import MEASURED


def all_drivers(roots: Roots, *, reflink: bool = True) -> Mapping[str, Driver]:
    """Without `reflink` every byte is copied, whatever the file system offers."""
    turns = Turns()
    return by_kind([PullDriver(roots, turns, replace(MEASURED, reflinks=reflink))])
