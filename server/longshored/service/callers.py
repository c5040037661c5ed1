"""Who calls, and as what: identity and role behind a call, decided here alone.

First what the call shows is gathered (`Evidence`), then it is judged by what holds
now. A stream is judged again, on the same evidence, when that may have changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..clock import Clock, Instant
from ..errors import Kind, ServiceError
from ..scheduler.newjob import Caller
from .roles import NEEDS, Role
from .tokens import Digester, Tokens
from .x509 import not_after

CLIENT_KEY = "longshore-client"
TOKEN_KEY = "authorization"  # noqa: S105 - the name of a header

_SCHEME = "bearer "
_LONGEST_CLIENT = 128
_UNIX = "unix:"

# Certificates that were seen; beyond it all are read anew.
_MOST_CERTIFICATES = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Nothing but where the call came in: the unix socket, or TCP without TLS."""

    caller: Caller


SOCKET = Place(Caller("unix"))
ANONYMOUS = Place(Caller("anonymous"))


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token, by its digest."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says: "dns:NAME" and "uri:NAME" of its subjectAltName."""

    names: tuple[str, ...]
    expires: Instant


@dataclass(frozen=True, slots=True)
class Nothing:
    """A call over TLS without a certificate or a token."""


Evidence = Place | Bearer | Certificate | Nothing


@dataclass(frozen=True, slots=True)
class Identity:
    caller: Caller
    role: Role


@dataclass(frozen=True, slots=True)
class Origin:
    """`peer` is the transport's word, `client` what the program says of itself."""

    identity: Identity
    peer: str
    client: str

    @property
    def caller(self) -> Caller:
        return self.identity.caller


UNKNOWN = Identity(Caller("unknown"), Role.NONE)
"""Stands in the log for a caller whose credentials were refused."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Who is what. The mode of the socket decides who may open it, and gRPC does not
    tell whose process has; so all who can are one caller, of one role."""

    socket: Role = Role.ADMIN
    anonymous: Role = Role.OPERATOR
    certificates: Mapping[str, Role] = field(default_factory=dict)
    tokens: Tokens = field(default_factory=dict)


class Context(Protocol):
    """What is used of grpc.aio.ServicerContext here."""

    def peer(self) -> str: ...

    def invocation_metadata(self) -> Any: ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]: ...


class Guard:
    """Knows callers. `rules` may be exchanged at any time. Lives on the loop."""

    def __init__(self, clock: Clock, rules: Rules | None = None) -> None:
        # Set once.
        self._clock = clock
        self.digester = Digester()
        # Only on the loop.
        self.rules = rules or Rules()
        self._certificates: dict[bytes, Certificate] = {}

    def gather(self, context: Context) -> tuple[Evidence, str, str]:
        """What a call shows, its peer, and what its program calls itself.

        A token goes before all else: who sends one wants to be judged by it. Raises
        CREDENTIALS_INVALID for a header that is none.
        """
        peer = context.peer()
        client, token = "", None
        for key, value in context.invocation_metadata() or ():
            if key == CLIENT_KEY and isinstance(value, str):
                client = value[:_LONGEST_CLIENT]
            elif key == TOKEN_KEY:
                # Of two, nobody knows which one a proxy has looked at.
                token = value if token is None else ""
        if token is not None:
            return Bearer(self._digest(token)), peer, client
        if peer.startswith(_UNIX):
            return SOCKET, peer, client
        return self._of_tcp(context.auth_context()), peer, client

    def _digest(self, header: object) -> bytes:
        if not isinstance(header, str) or header[: len(_SCHEME)].lower() != _SCHEME:
            raise _invalid("The authorization header must be one 'Bearer TOKEN'")
        return self.digester.of(header[len(_SCHEME) :])

    def _of_tcp(self, shown: Mapping[str, Iterable[bytes]]) -> Evidence:
        if shown.get("transport_security_type") == [b"insecure"]:
            return ANONYMOUS
        pem = next(iter(shown.get("x509_pem_cert", ())), None)
        if pem is None:
            return Nothing()
        known = self._certificates.get(pem)
        if known is None:
            if len(self._certificates) >= _MOST_CERTIFICATES:
                self._certificates.clear()
            known = self._certificates[pem] = _certificate(pem, shown)
        return known

    def judge(self, evidence: Evidence) -> Identity:
        """Who that is now; raises CREDENTIALS_INVALID if it is nobody."""
        match evidence:
            case Place(caller):
                is_socket = evidence is SOCKET
                role = self.rules.socket if is_socket else self.rules.anonymous
                return Identity(caller, role)
            case Bearer(digest):
                return self._of_token(digest)
            case Certificate():
                return self._of_certificate(evidence)
            case Nothing():
                raise _invalid("A token is needed: metadata authorization 'Bearer …'")

    def _of_token(self, digest: bytes) -> Identity:
        token = self.rules.tokens.get(digest)
        if token is None:
            raise _invalid("The token is not known here")
        if token.expires is not None and token.expires <= self._clock.wall():
            raise _invalid("The token has expired", caller=token.name)
        return Identity(Caller(token.name), token.role)

    def _of_certificate(self, certificate: Certificate) -> Identity:
        """The name with the highest role, the first of these."""
        names = certificate.names
        if not names:
            raise _invalid(
                "The certificate has no DNS or URI name in its subjectAltName; "
                "its common name does not count"
            )
        if certificate.expires < self._clock.wall():
            raise _invalid("The certificate has expired", caller=names[0])
        known = self.rules.certificates
        name = max(names, key=lambda name: known.get(name, Role.NONE))
        return Identity(Caller(name), known.get(name, Role.NONE))


def permit(identity: Identity, rpc: str) -> None:
    """Raise PERMISSION_DENIED unless the role is enough for the method."""
    needed = NEEDS[rpc]
    if identity.role < needed:
        name, role = identity.caller.name, identity.role
        raise ServiceError(
            Kind.PERMISSION_DENIED,
            f"{rpc} needs the role {needed}, and {name} has {role}",
            permission=str(needed),
            resource=rpc,
            caller=name,
            role=str(role),
        )


def _certificate(pem: bytes, shown: Mapping[str, Iterable[bytes]]) -> Certificate:
    names = [
        f"{kind}:{name.decode('ascii', 'backslashreplace')}"
        for kind, key in (("dns", "peer_dns"), ("uri", "peer_uri"))
        for name in shown.get(key, ())
    ]
    return Certificate(tuple(names), not_after(pem.decode("ascii")))


def _invalid(message: str, caller: str | None = None) -> ServiceError:
    return ServiceError(Kind.CREDENTIALS_INVALID, message, caller=caller)
