"""An etcd of our own, and the two calls of it that the bench makes."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

WATCH = "/etcdserverpb.Watch/Watch"
_PUT = "/etcdserverpb.KV/Put"
_TXN = "/etcdserverpb.KV/Txn"
# Puts in flight: enough to keep one CPU of etcd busy.
_IN_FLIGHT = 64


def _field(number: int, body: bytes) -> bytes:
    left, size = len(body), bytearray()
    while left > 127:
        size.append(left & 127 | 128)
        left >>= 7
    return bytes([number << 3 | 2, *size, left]) + body


def watch_request(prefix: bytes) -> bytes:
    """WatchRequest{create_request{key, range_end}}: everything below a prefix."""
    end = prefix[:-1] + bytes([prefix[-1] + 1])
    return _field(1, _field(1, prefix) + _field(2, end))


@dataclass(frozen=True, slots=True)
class Etcd:
    pid: int
    port: int

    def put(self, key: bytes, values: Iterator[bytes]) -> None:
        """Put values under one key, many in flight, until all are answered."""
        self._call(_PUT, (_put(key, value) for value in values))

    def put_together(self, values: Iterator[list[bytes]]) -> None:
        """The same, each list in one transaction, under a key each."""
        self._call(_TXN, map(_transaction, values))

    def _call(self, method: str, requests: Iterator[bytes]) -> None:
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            call: Any = channel.unary_unary(method)
            waiting: list[Any] = []
            for request in requests:
                waiting.append(call.future(request))
                if len(waiting) == _IN_FLIGHT:
                    waiting.pop(0).result()
            for one in waiting:
                one.result()


def _put(key: bytes, value: bytes) -> bytes:
    """PutRequest{key, value}"""
    return _field(1, key) + _field(2, value)


def _transaction(values: list[bytes]) -> bytes:
    """TxnRequest{success: [RequestOp{request_put}]}; no key may come twice."""
    puts = (_put(b"k%d" % n, value) for n, value in enumerate(values))
    return b"".join(_field(2, _field(2, put)) for put in puts)


@contextmanager
def etcd(directory: Path, cpu: int | None, port: int) -> Iterator[Etcd]:
    """One member on this machine, on one CPU if so asked."""
    pin = [] if cpu is None else ["taskset", "-c", str(cpu), "env", "GOMAXPROCS=1"]
    url = f"http://127.0.0.1:{port}"
    with (directory / "log").open("w") as log:
        server = subprocess.Popen(
            [
                *(*pin, "etcd", "--data-dir", str(directory / "data")),
                *("--listen-client-urls", url, "--advertise-client-urls", url),
                *("--listen-peer-urls", "http://127.0.0.1:0", "--log-level", "error"),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _await(port)
        yield Etcd(server.pid, port)
    finally:
        server.terminate()
        server.wait()


def _await(port: int) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call: Any = channel.unary_unary(_PUT)
        call(_field(1, b"first") + _field(2, b"x"), wait_for_ready=True, timeout=30)
    time.sleep(0.2)
