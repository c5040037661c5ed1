"""Who calls: the one place where the identity behind a call is decided."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..scheduler.newjob import Caller

CLIENT_KEY = "longshore-client"

_LONGEST_CLIENT = 128

_UNIX = Caller("unix")
_ANONYMOUS = Caller("anonymous")


@dataclass(frozen=True, slots=True)
class Origin:
    """`peer` is the transport's word, `client` what the program says of itself."""

    caller: Caller
    peer: str
    client: str


def identify(peer: str, metadata: Sequence[tuple[str, str | bytes]] | None) -> Origin:
    """The caller behind a connection.

    On the unix socket the mode of the socket has decided already: whoever can
    open it may do everything, and all are one caller. Loopback TCP without TLS
    is open to every local user, and says so in the owner of its jobs.
    """
    caller = _UNIX if peer.startswith("unix:") else _ANONYMOUS
    return Origin(caller, peer, _client(metadata))


def _client(metadata: Sequence[tuple[str, str | bytes]] | None) -> str:
    for key, value in metadata or ():
        if key == CLIENT_KEY and isinstance(value, str):
            return value[:_LONGEST_CLIENT]
    return ""
