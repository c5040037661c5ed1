"""Who hears how the daemon answers: what a client rides out would be silence else."""

from typing import Protocol

from .errors import LongshoreError


class Listener(Protocol):
    """Is told by the calls and watches of a client, in whichever threads they are."""

    def heard(self) -> None:
        """The daemon has answered."""

    def failed(self, error: LongshoreError) -> None:
        """It has not, and is asked again."""


class NoListener:
    """Does not care."""

    def heard(self) -> None:
        pass

    def failed(self, error: LongshoreError) -> None:
        pass


NOBODY = NoListener()
