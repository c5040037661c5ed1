"""Many gRPC streams read by one thread that only counts: a client that costs little.

A watch fan-out is measured at the server, so the client must not be what is slow.
This one speaks just enough HTTP/2: it opens streams, answers pings, gives all the
window it may, and looks at nothing but frame heads. Longshore and etcd are read by
the same code.
"""

import selectors
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_MOST_WINDOW = (1 << 31) - 1
# Window that was used is given back in steps of this.
_STEP = 64 << 20


class Data(NamedTuple):
    """A piece of a stream's body: where it lies in the buffer until the next read."""

    stream: int
    start: int
    stop: int


def _frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    return (
        struct.pack(">I", len(body))[1:]
        + struct.pack(">BBI", kind, flags, stream)
        + body
    )


def _text(value: str) -> bytes:
    raw = value.encode()
    assert len(raw) < 127, "one byte of length"
    return bytes([len(raw)]) + raw


def _headers(path: str, authority: str) -> bytes:
    """HPACK without a table: POST, http, and literals that are never indexed."""
    return b"".join(
        (
            b"\x83\x86",
            b"\x04" + _text(path),
            b"\x01" + _text(authority),
            b"\x00" + _text("content-type") + _text("application/grpc"),
            b"\x00" + _text("te") + _text("trailers"),
        )
    )


class Connection:
    """One TCP connection; its streams have odd numbers from 1 on."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._authority = f"{host}:{port}"
        self._next = 1
        self._used = 0
        self._rest = b""
        settings = struct.pack(">HIHI", 4, _MOST_WINDOW, 5, (1 << 24) - 1)
        window = struct.pack(">I", _MOST_WINDOW - 65535)
        self.socket.sendall(
            _PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW, 0, 0, window)
        )

    def open(self, path: str, message: bytes, *, ends: bool) -> int:
        """A call with one message; `ends`: the client has no more to say."""
        stream, self._next = self._next, self._next + 2
        body = b"\0" + struct.pack(">I", len(message)) + message
        self.socket.sendall(
            _frame(_HEADERS, _END_HEADERS, stream, _headers(path, self._authority))
            + _frame(_DATA, _END_STREAM if ends else 0, stream, body)
        )
        return stream

    def read(self, buffer: bytearray) -> Iterator[Data]:
        """What has come, frame by frame; the buffer is used until the next read."""
        kept = len(self._rest)
        buffer[:kept] = self._rest
        view = memoryview(buffer)
        count = self.socket.recv_into(view[kept:])
        if not count:
            raise SystemExit("the server closed the connection")
        end, at = kept + count, 0
        while at + 9 <= end:
            length = buffer[at] << 16 | buffer[at + 1] << 8 | buffer[at + 2]
            stop = at + 9 + length
            if stop > end:
                break
            kind = buffer[at + 3]
            if kind == _DATA:
                stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
                self._used += length
                yield Data(stream, at + 9, stop)
            else:
                self._control(kind, buffer[at + 4], bytes(view[at + 9 : stop]))
            at = stop
        self._rest = bytes(view[at:end])
        if self._used > _STEP:
            window = struct.pack(">I", self._used)
            self._used = 0
            self.socket.sendall(_frame(_WINDOW, 0, 0, window))

    def _control(self, kind: int, flags: int, body: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            self.socket.sendall(_frame(_SETTINGS, _ACK, 0))
        elif kind == _PING and not flags & _ACK:
            self.socket.sendall(_frame(_PING, _ACK, 0, body))
        elif kind in (_RESET, _GOAWAY) or (kind == _HEADERS and flags & _END_STREAM):
            raise SystemExit(f"a stream was ended by the server: {kind} {body[:200]!r}")


def reading(
    connections: list[Connection], buffer: bytearray
) -> Iterator[tuple[Connection, Data]]:
    """Everything that comes, for ever; each piece lies in the buffer for one step."""
    selector = selectors.DefaultSelector()
    for connection in connections:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    while True:
        for key, _ in selector.select():
            for data in key.data.read(buffer):
                yield key.data, data
