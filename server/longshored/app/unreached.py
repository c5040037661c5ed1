"""Why no daemon was reached, in words: gRPC's own are for who knows gRPC."""

import errno
import os
import re
import socket

_KNOCK_SECONDS = 0.5
_UNIX = "unix:"

# What gRPC puts before the reason that it has.
_BEFORE = re.compile(r"^.*last error: (?:[A-Z_]+: )?(?:(?:ipv[46]|unix):\S+ )?")

_VERIFY = "CERTIFICATE_VERIFY_FAILED: "
_HOSTNAME = "Hostname Verification Check failed"


def unreachable(address: str) -> str | None:
    """Why nobody is reached at an address; None if a connection is taken there."""
    try:
        _knock(address)
    except ValueError:
        return "it is no address; write unix:PATH or HOST:PORT"
    except OSError as error:
        return reason(error, is_socket=address.startswith(_UNIX))
    return None


def _knock(address: str) -> None:
    if not address.startswith(_UNIX):
        host, _, port = address.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()
        return
    path = address.removeprefix(_UNIX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knocking:
        knocking.settimeout(_KNOCK_SECONDS)
        knocking.connect(path.removeprefix("//") if path[:3] == "///" else path)


def reason(error: OSError, *, is_socket: bool) -> str:
    if isinstance(error, socket.gaierror):
        return f"the host is not known ({error.strerror})"
    if isinstance(error, TimeoutError) or error.errno == errno.EAGAIN:
        return "no connection is taken in time"
    if error.errno == errno.ECONNREFUSED:
        return "the socket is there, and nobody listens" if is_socket else "refused"
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "there is no such socket"
    if error.errno in (errno.EACCES, errno.EPERM) and is_socket:
        return f"user {os.geteuid()} may not connect to this socket"
    return error.strerror or str(error)


def no_answer(said: str, *, has_tls: bool, has_certificate: bool) -> str:
    """Why who is there does not answer, by what gRPC said."""
    if _VERIFY in said:
        why = said.rpartition(_VERIFY)[2].removesuffix(": OK")
        return f"its certificate is not believed: {why}"
    if _HOSTNAME in said:
        return "its certificate is for another name (--tls-name)"
    reason = _BEFORE.sub("", said)
    if not has_tls:
        return f"{reason}; does it want TLS (--tls-ca)?"
    if not has_certificate and "closed" in said:
        return f"{reason}; does it want a certificate (--tls-cert, --tls-key)?"
    return reason
