"""Which kinds of jobs this daemon serves."""

from collections.abc import Mapping

from ..block.copy.turns import Turns
from ..block.roots import Roots
from .base import Driver, by_kind
from .pull import PullDriver


def all_drivers(roots: Roots) -> Mapping[str, Driver]:
    turns = Turns()
    return by_kind([PullDriver(roots, turns)])
