"""Why TLS keeps us out: one more handshake, by a library that says what went wrong.

gRPC says "unavailable: socket closed" for a missing certificate and for a daemon that
is not there alike.
"""

import contextlib
import socket
import ssl

from ..credentials import SYSTEM, Credentials

PATIENCE_SECONDS = 3.0

# A client of HTTP/2 begins with these words and an empty frame of settings.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def trouble(address: str, who: Credentials) -> str:
    """What is wrong, and what would help; empty if it is not TLS."""
    try:
        return _without(address) if who.tls_ca is None else _with(address, who)
    except OSError:
        # Nobody is there, or not in time: that was said already.
        return ""


def _without(address: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _shake(address, context, "")
    except ssl.SSLError:
        return ""
    return (
        f"the daemon at {address} speaks TLS: name its CA with --tls-ca or "
        "LONGSHORE_TLS_CA"
    )


def _with(address: str, who: Credentials) -> str:
    ca = None if who.tls_ca == SYSTEM else who.tls_ca
    try:
        context = ssl.create_default_context(cafile=ca)
        if who.tls_cert is not None:
            context.load_cert_chain(who.tls_cert, who.tls_key)
    except ssl.SSLError as error:
        return (
            f"a file of {who!r} holds no certificate or key that fits: {error.reason}"
        )
    host = address.rpartition(":")[0].removeprefix("[").removesuffix("]")
    try:
        is_welcome = _shake(address, context, who.tls_name or host)
    except ssl.SSLCertVerificationError as error:
        return (
            f"the daemon at {address} is not believed: {error.verify_message}; "
            f"the CA is {who.tls_ca} (--tls-ca), the name {who.tls_name or host} "
            "(--tls-name)"
        )
    except ssl.SSLError:
        return f"what listens at {address} does not speak TLS"
    if is_welcome:
        return ""
    if who.tls_cert is None:
        return (
            f"the daemon at {address} wants a client certificate: --tls-cert and "
            "--tls-key, or LONGSHORE_TLS_CERT and LONGSHORE_TLS_KEY"
        )
    return (
        f"the daemon at {address} refuses the certificate {who.tls_cert}: expired, "
        "not for clients, or not of the CA that it trusts"
    )


def _shake(address: str, context: ssl.SSLContext, name: str) -> bool:
    """Whether the other side goes on after the handshake."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((host, int(port)), PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=name or None) as shaken,
    ):
        # In TLS 1.3 a client is refused only after its own part is done.
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            shaken.sendall(_PREFACE)
            return bool(shaken.recv(1))
        return False
