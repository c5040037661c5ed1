"""Bearer tokens: a file of them, of which only digests stay in memory.

    # name  role      token                                        expires
    ci      operator  kT3v…                                        2027-01-31
    panel   viewer    x0Pq…

A name may have several tokens, of one role: so a token is exchanged for another.
"""

import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..clock import SECOND, Instant
from ..errors import ServiceError, field_invalid
from .roles import ROLES, Role

FIELD = "access.token_file"

# 128 bits are 22 characters of base64; nobody's memory holds that, or should.
SHORTEST = 22
LONGEST = 512

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}")
# What RFC 6750 lets stand behind "Bearer".
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, slots=True)
class Token:
    """Whom a token stands for, as what, and until when."""

    name: str
    role: Role
    expires: Instant | None


@dataclass(frozen=True, slots=True)
class Digester:
    """Digests with a key of this process.

    Looking one up takes a time that depends on bits that nobody outside can know
    or choose, so it tells nothing about a token that was tried.
    """

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def of(self, token: str) -> bytes:
        data = token.encode("utf-8", "surrogateescape")
        return hashlib.blake2b(data, digest_size=32, key=self._key).digest()


Tokens = Mapping[bytes, Token]
"""By digest."""


def parse_tokens(data: bytes, path: Path, digester: Digester) -> Tokens:
    """The tokens of a file; FIELD_INVALID names a wrong line, and no token."""
    try:
        lines = data.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise field_invalid(FIELD, f"{path} is not plain ASCII text") from error
    found: dict[bytes, Token] = {}
    roles: dict[str, Role] = {}
    for number, words in _rows(lines):
        try:
            token = _token(words)
            digest = digester.of(words[2])
            if digest in found:
                raise ValueError("the same token stands in an earlier line")
            if roles.setdefault(token.name, token.role) is not token.role:
                raise ValueError(f"{token.name} has another role in an earlier line")
        except ValueError as error:
            raise _wrong(path, number, error) from None
        found[digest] = token
    return found


def _rows(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines, 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            yield number, words


def _token(words: list[str]) -> Token:
    if len(words) not in (3, 4):
        raise ValueError(f"NAME ROLE TOKEN [EXPIRES] wanted, {len(words)} words found")
    name, role, secret, *expires = words
    if not _NAME.fullmatch(name):
        raise ValueError("a name has 1 to 63 letters, digits, and ._@-")
    if role not in ROLES:
        raise ValueError(f"a role is one of {', '.join(ROLES)}")
    if not SHORTEST <= len(secret) <= LONGEST:
        raise ValueError(f"a token has {SHORTEST} to {LONGEST} characters")
    if not _TOKEN.fullmatch(secret):
        raise ValueError("a token has letters, digits, ._~+/- and = at its end")
    return Token(
        f"token:{name}", ROLES[role], _instant(expires[0]) if expires else None
    )


def _instant(text: str) -> Instant:
    """A date (its first moment in UTC) or a time, that says its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("expires is a date or time like 2027-01-31") from None
    if moment.tzinfo is None and len(text) > len("2027-01-31"):
        raise ValueError("a time needs its zone: 2027-01-31T12:00Z")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND


def _wrong(path: Path, number: int, error: ValueError) -> ServiceError:
    return field_invalid(FIELD, f"{path}, line {number}: {error}", line=number)
