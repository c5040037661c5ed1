"""Whom to believe and who to be: TLS, certificates and tokens of both clients."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import grpc

# Instead of a file: the CAs that gRPC brings along.
SYSTEM = "system"

_PREFIX = "LONGSHORE_"


@dataclass(frozen=True, slots=True)
class Credentials:
    """For HOST:PORT; the unix socket speaks no TLS, and may take a token.

    tls_ca      PEM file of the CA of the daemon, or "system"; with it there is TLS
    tls_cert    PEM file of our certificate with its chain, if the daemon wants one
    tls_key     PEM file of its key
    tls_name    what the daemon's certificate says, if that is not the HOST
    token       a bearer token
    token_file  a file with nothing else in it, read again for every call
    """

    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_name: str | None = None
    token: str | None = None
    token_file: str | None = None

    def __repr__(self) -> str:
        shown = [
            f"{field.name}={'***' if field.name == 'token' else value!r}"
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ
    ) -> "Credentials":
        """LONGSHORE_TLS_CA, _CERT, _KEY, _NAME, LONGSHORE_TOKEN, _TOKEN_FILE."""
        named = {name.name: _PREFIX + name.name.upper() for name in fields(cls)}
        return cls(**{name: environment.get(key) for name, key in named.items()})

    def check(self, address: str) -> "Credentials":
        """Raise ValueError unless they make sense for this address."""
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError(
                "a certificate (tls_cert) and its key (tls_key) go together"
            )
        if self.token is not None and self.token_file is not None:
            raise ValueError("there is a token and a token_file: which one is meant?")
        if self.token is not None:
            _bearer(self.token)
        if is_local(address) or self.tls_ca is not None:
            return self
        if self.tls_cert is not None or self.tls_name is not None:
            raise ValueError("TLS needs tls_ca: a PEM file, or 'system'")
        if self.token is not None or self.token_file is not None:
            raise ValueError(
                "a token does not go over TCP without TLS: tls_ca is needed, "
                "a PEM file, or 'system'"
            )
        return self

    def channel_credentials(self, address: str) -> grpc.ChannelCredentials | None:
        """None: without TLS. Reads the files: raises OSError."""
        if is_local(address) or self.tls_ca is None:
            return None
        return grpc.ssl_channel_credentials(
            None if self.tls_ca == SYSTEM else _read(self.tls_ca),
            _read(self.tls_key),
            _read(self.tls_cert),
        )

    def channel_options(self) -> tuple[tuple[str, str], ...]:
        if self.tls_name is None:
            return ()
        return (("grpc.ssl_target_name_override", self.tls_name),)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with every call. Raises OSError if the token cannot be read."""
        if self.token_file is not None:
            return _bearer(Path(self.token_file).read_text("utf-8").strip())
        return () if self.token is None else _bearer(self.token)


def _bearer(token: str) -> tuple[tuple[str, str]]:
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise ValueError("a token is letters, digits and signs, without a blank")
    return (("authorization", f"Bearer {token}"),)


def is_local(address: str) -> bool:
    return address.startswith("unix:")


def _read(path: str | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
