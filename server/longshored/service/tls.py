"""TLS of the listeners: certificates that are exchanged while the daemon serves.

A new certificate is shown at the next handshake. Connections that stand keep
theirs: `callers` looks at names and dates again at every call.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from ..clock import Instant
from ..errors import ServiceError, field_invalid
from .secretfile import read_public, read_secret
from .x509 import not_after

CERTIFICATE = "tls.certificate"
KEY = "tls.key"
CLIENT_CA = "tls.client_ca"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Our certificate with its chain, its key, and who vouches for callers (PEM).

    Without `client_ca` callers need no certificate, but a token.
    """

    certificate: Path
    key: Path
    client_ca: Path | None


@dataclass(frozen=True, slots=True, repr=False)
class Material:
    """What the files held: checked, and fitting each other."""

    certificate: bytes
    key: bytes
    client_ca: bytes | None
    expires: Instant

    def configuration(self) -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(self.key, self.certificate)], self.client_ca
        )


def load_material(files: TlsFiles) -> Material:
    """Read the files; FIELD_INVALID names the setting that is wrong."""
    certificate = read_public(files.certificate, CERTIFICATE)
    key = read_secret(files.key, KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password=_no_password)
        expires = not_after(certificate.decode("ascii", "replace"))
    except (OSError, ValueError) as error:  # one of OpenSSL is an OSError
        raise _wrong(CERTIFICATE, files.certificate, error) from error
    return Material(certificate, key, _client_ca(context, files), expires)


def _client_ca(context: ssl.SSLContext, files: TlsFiles) -> bytes | None:
    if files.client_ca is None:
        return None
    data = read_public(files.client_ca, CLIENT_CA)
    try:
        context.load_verify_locations(cadata=data.decode("ascii", "ignore"))
    except (ssl.SSLError, ValueError) as error:
        raise _wrong(CLIENT_CA, files.client_ca, error) from error
    return data


def _no_password() -> str:
    # Else OpenSSL asks on the terminal, and the daemon waits for an answer.
    raise ValueError("the key has a password, and nobody is there to type it")


def _wrong(field: str, path: Path, error: Exception) -> ServiceError:
    said = error.reason if isinstance(error, ssl.SSLError) and error.reason else error
    return field_invalid(
        field, f"{path} holds no certificate that fits: {said}", path=str(path)
    )


class Transport:
    """What new connections are shown and asked for; `material` may be exchanged."""

    def __init__(self, material: Material) -> None:
        # Set on the loop, read by threads of gRPC: one assignment.
        self.material = material

    def credentials(self) -> grpc.ServerCredentials:
        given = self.material

        def changed() -> grpc.ServerCertificateConfiguration | None:
            """Asked at every handshake; None: as before."""
            nonlocal given
            if self.material is given:
                return None
            given = self.material
            return given.configuration()

        return grpc.dynamic_ssl_server_credentials(
            given.configuration(),
            changed,  # type: ignore[arg-type]  # None is an answer, says its manual
            given.client_ca is not None,
        )
