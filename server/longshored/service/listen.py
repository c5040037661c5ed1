"""Where the daemon listens: addresses, and a unix socket that has one owner.

gRPC binds the path of a living server without a word, so a lock file beside the
socket says whose it is.
"""

import fcntl
import ipaddress
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import Kind, ServiceError, field_invalid

# sun_path of the kernel, without its closing NUL.
_LONGEST_SOCKET_PATH = 107
_LAST_PORT = 65535

_UNIX = "unix:"


@dataclass(frozen=True, slots=True)
class UnixAddress:
    path: Path

    def __str__(self) -> str:
        return f"{_UNIX}{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


Address = UnixAddress | TcpAddress


def parse_address(text: str) -> Address:
    """The address in "unix:PATH", "unix:///PATH" or "HOST:PORT"."""
    if text.startswith(_UNIX):
        return UnixAddress(_socket_path(text))
    host, colon, port = text.rpartition(":")
    if not colon or not host or not _is_port(port):
        raise field_invalid(
            "listen",
            f"Must be unix:PATH or HOST:PORT, PORT 0 to {_LAST_PORT}, not {text!r}",
        )
    return TcpAddress(host.removeprefix("[").removesuffix("]"), int(port))


def _is_port(text: str) -> bool:
    is_number = text.isascii() and text.isdecimal() and len(text) <= 5
    return is_number and int(text) <= _LAST_PORT


def _socket_path(text: str) -> Path:
    path = text.removeprefix(_UNIX)
    if path.startswith("//"):
        path = path[2:]
    if not path.startswith("/"):
        raise field_invalid("listen", f"The socket's path must be absolute: {text!r}")
    if (size := len(os.fsencode(path))) > _LONGEST_SOCKET_PATH:
        raise field_invalid(
            "listen",
            f"The path of a socket has at most {_LONGEST_SOCKET_PATH} bytes, "
            f"this one has {size}: {path!r}",
        )
    return Path(path)


def check_open(address: Address, *, insecure: bool) -> None:
    """Raise unless the address may be served without TLS."""
    if isinstance(address, UnixAddress):
        return
    if not insecure:
        raise field_invalid(
            "listen",
            f"{address} has no TLS: give a certificate in [tls], or --insecure for "
            "a loopback address",
        )
    if not address.is_loopback:
        raise field_invalid(
            "listen", f"{address} has no TLS and is not a loopback address"
        )


@contextmanager
def owned(address: UnixAddress) -> Iterator[None]:
    """The socket's directory exists and the socket is ours, inside the `with`.

    Raises STORE_UNAVAILABLE naming the process that has it. The lock file stays
    behind: removing it would let two daemons lock two files of one name.
    """
    directory = address.path.parent
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(
            address.path.with_name(address.path.name + ".lock"),
            os.O_RDWR | os.O_CREAT | os.O_CLOEXEC,
            0o640,
        )
    except OSError as error:
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"Cannot make the socket {address.path}: {error.strerror}",
            path=str(address.path),
            errno=error.errno,
        ) from error
    try:
        _take(lock, address)
        yield
    finally:
        os.close(lock)


def _take(lock: int, address: UnixAddress) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode("ascii", "replace").strip()
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"Another daemon serves {address}, process {holder}",
            path=str(address.path),
            pid=holder,
        ) from error
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


@contextmanager
def socket_mode() -> Iterator[None]:
    """Files made inside are for owner and group: the mode of the socket decides
    who may call."""
    before = os.umask(0o117)
    try:
        yield
    finally:
        os.umask(before)
