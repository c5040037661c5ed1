"""What of the settings would not work on this host, all of it at once.

It is looked at, and nothing is changed.
"""

from collections.abc import Callable, Iterator, Sequence

from ..block.roots import Roots
from ..clock import SystemClock
from ..config.load import all_invalid
from ..config.settings import Config
from ..errors import Kind, ServiceError, Violation
from ..service.tokens import Digester
from .backend import check_roots
from .credentials import read_credentials
from .daemon import listening
from .observe import observe
from .statedir import check_state, holder

Part = Callable[[Config], object]
"""Raises FIELD_INVALID for what it finds wrong."""


def check(config: Config) -> None:
    """Raise FIELD_INVALID with all that would end a start."""
    _together(
        config,
        (
            listening,
            check_roots,
            _open_roots,
            lambda config: check_state(config.store.directory),
            lambda config: read_credentials(config, Digester()),
            lambda config: observe(config, SystemClock()),
        ),
    )


def notes(config: Config) -> Iterator[str]:
    """What may be as it should be, or not."""
    directory = config.store.directory
    if (pid := holder(directory)) is not None:
        yield (
            f"Note: a daemon at work (pid {pid}) has {directory}; if it is not the "
            "one of these settings, theirs will not start"
        )


def _together(config: Config, parts: Sequence[Part]) -> None:
    wrong: list[Violation] = []
    for part in parts:
        try:
            part(config)
        except ServiceError as error:
            if error.kind is not Kind.FIELD_INVALID:
                raise
            wrong.extend(error.violations)
    if wrong:
        # Two parts may stumble over one thing.
        raise all_invalid(list(dict.fromkeys(wrong)))


def _open_roots(config: Config) -> None:
    wrong: list[Violation] = []
    for root in config.images.roots:
        try:
            Roots.open((root,)).close()
        except ServiceError as error:
            wrong += [
                Violation("images.roots", one.description) for one in error.violations
            ]
    if wrong:
        raise all_invalid(wrong)
