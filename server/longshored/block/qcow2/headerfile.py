"""The header where it lies: read from its file, errors named after that file."""

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import ServiceError
from .hostfile import HostFile
from .layout import Header, decode_header, first_cluster_length

# Magic to cluster_bits: what tells how long the rest is.
HEADER_START = 24


def read_header(host: HostFile) -> Header:
    """The header of a file, whether or not this build can read its data."""
    with naming(host.uri):
        start = _read_start(host, HEADER_START)
        return decode_header(_read_start(host, first_cluster_length(start)))


@contextmanager
def naming(uri: str, **facts: int) -> Iterator[None]:
    """Errors that leave the block say which image they are about."""
    try:
        yield
    except ServiceError as error:
        error.facts.setdefault("uri", uri)
        for key, value in facts.items():
            error.facts.setdefault(key, value)
        raise


def _read_start(host: HostFile, length: int) -> bytes:
    data = bytearray(min(length, host.size))
    host.readinto(0, memoryview(data))
    return bytes(data)
