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
    _together(config, (*_AT_START, _check_state, _observe))


def check_start(config: Config) -> None:
    """The same as far as a start would come to it one by one, or too late."""
    _together(config, _AT_START)


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


def _check_state(config: Config) -> None:
    check_state(config.store.directory)


def _read_credentials(config: Config) -> None:
    read_credentials(config, Digester())


def _observe(config: Config) -> None:
    observe(config, SystemClock())


_AT_START: tuple[Part, ...] = (listening, check_roots, _open_roots, _read_credentials)
