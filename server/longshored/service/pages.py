"""Page tokens: where a list goes on, sealed so that nobody can make one up.

A token carries no rights: it only says after which job the next page begins,
for which request, and what the head was when the first page was read (W10).
"""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass

from ..errors import Kind, ServiceError

_VERSION = 1
_BODY = struct.Struct(">BQQ16s8s")  # version, revision, after, digest, history
_SEAL = 16


@dataclass(frozen=True, slots=True)
class Place:
    """The head at the first page, and the last thing that was shown."""

    revision: int
    after: int


class Pages:
    """Seals and opens the tokens of one store."""

    def __init__(self, key: bytes, history_id: str) -> None:
        self._key = key
        self._history = hashlib.blake2b(history_id.encode(), digest_size=8).digest()

    def seal(self, place: Place, request: bytes) -> str:
        body = _BODY.pack(
            _VERSION, place.revision, place.after, _digest(request), self._history
        )
        return base64.urlsafe_b64encode(body + self._mac(body)).decode().rstrip("=")

    def open(self, token: str, request: bytes) -> Place:
        """The place in a token; PAGE_TOKEN_INVALID unless it is ours and fits."""
        body = self._unsealed(token)
        version, revision, after, digest, history = _BODY.unpack(body)
        if version != _VERSION or history != self._history:
            raise _invalid("is of another store or version")
        if digest != _digest(request):
            raise _invalid("belongs to a request with other arguments")
        return Place(revision, after)

    def _unsealed(self, token: str) -> bytes:
        try:
            data = base64.b64decode(
                token + "=" * (-len(token) % 4), altchars=b"-_", validate=True
            )
        except (binascii.Error, ValueError) as error:
            raise _invalid("is not one of this daemon") from error
        body, seal = data[: _BODY.size], data[_BODY.size :]
        if len(data) != _BODY.size + _SEAL or not hmac.compare_digest(
            seal, self._mac(body)
        ):
            raise _invalid("is not one of this daemon")
        return body

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_SEAL]


def _digest(request: bytes) -> bytes:
    return hashlib.blake2b(request, digest_size=16).digest()


def _invalid(why: str) -> ServiceError:
    return ServiceError(
        Kind.PAGE_TOKEN_INVALID, f"The page token {why}; list again from the start"
    )
