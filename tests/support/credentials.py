"""Daemons on TLS with tokens, and callers of every kind for them."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc

from longshored.config.settings import (
    AccessSettings,
    Config,
    ServerSettings,
    TlsSettings,
)
from tests.support.certificates import Authority, Pair, write
from tests.support.daemon import Place, Stubs

# Whatever lies in the token file of these tests.
VIEWER_TOKEN = "viewer-0123456789-abcdefghij"
OPERATOR_TOKEN = "operator-0123456789-abcdefg"
ADMIN_TOKEN = "admin-0123456789-abcdefghijk"
NONE_TOKEN = "none-0123456789-abcdefghijkl"

TOKENS = f"""\
# name   role     token
panel    viewer   {VIEWER_TOKEN}
ci       operator {OPERATOR_TOKEN}
root     admin    {ADMIN_TOKEN}
leaver   none     {NONE_TOKEN}
"""

ACCESS = AccessSettings(
    viewers=("dns:viewer.test",),
    operators=("dns:operator.test", "uri:spiffe://test/operator"),
    admins=("uri:spiffe://test/admin",),
)


@dataclass(frozen=True)
class SecurePlace:
    """A place whose daemon listens on its socket and on loopback TLS."""

    place: Place
    authority: Authority
    wants_certificate: bool = True
    access: AccessSettings = field(default_factory=lambda: ACCESS)

    @property
    def token_file(self) -> Path:
        return self.place.directory / "tokens"

    def write_tokens(self, text: str = TOKENS, mode: int = 0o600) -> Path:
        return write(self.token_file, text.encode(), mode)

    def config(self, **sections: Any) -> Config:
        authority = self.authority
        defaults: dict[str, Any] = {
            "server": ServerSettings(listen=("127.0.0.1:0", self.place.address)),
            "tls": TlsSettings(
                authority.certificate_file,
                authority.key_file,
                authority.ca_file if self.wants_certificate else None,
            ),
            "access": replace(self.access, token_file=self.token_file),
        }
        return self.place.config(**{**defaults, **sections})


class Bearer(grpc.AuthMetadataPlugin):
    """Sends a token the usual way."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, context: Any, callback: Any) -> None:
        callback((("authorization", f"Bearer {self._token}"),), None)


def secure(
    address: str,
    ca: Pair,
    *,
    client: Pair | None = None,
    token: str | None = None,
    options: Iterable[tuple[str, Any]] = (),
) -> Stubs:
    """A caller over TLS."""
    credentials = grpc.ssl_channel_credentials(
        ca.pem,
        None if client is None else client.key_pem,
        None if client is None else client.pem,
    )
    if token is not None:
        credentials = grpc.composite_channel_credentials(
            credentials, grpc.metadata_call_credentials(Bearer(token))
        )
    return Stubs(grpc.secure_channel(address, credentials, list(options)))
