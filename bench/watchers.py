"""A process of watchers: opens streams, reads all, tells when each has seen the end.

    python -m bench.watchers HOST PORT PATH STREAMS REQUEST ENDS SENTINEL FILE

REQUEST and SENTINEL are in hexadecimal; ENDS is "yes" if the client has no more to
say. Two lines of JSON go out: when every stream has said something, and when each
has shown the sentinel. The body of the first stream goes to FILE, to be checked.
"""

import json
import resource
import sys
import time
from pathlib import Path

from .http2 import Connection, reading

PER_CONNECTION = 1000
# The sentinel is sent when all is quiet: a frame of its own, which is not counted.
_SMALL = 4096
_BUFFER = 32 << 20


class Watchers:
    """Streams over a few connections, and what was seen of each."""

    def __init__(self, host: str, port: int, streams: int) -> None:
        self._streams = streams
        self._began = time.time()
        self._connections = [
            Connection(host, port) for _ in range(0, streams, PER_CONNECTION)
        ]

    def open(self, path: str, request: bytes, *, ends: bool) -> None:
        for index in range(self._streams):
            connection = self._connections[index // PER_CONNECTION]
            connection.open(path, request, ends=ends)

    def read(self, mark: bytes, file: Path) -> None:
        heard: set[tuple[int, int]] = set()
        done: set[tuple[int, int]] = set()
        total = frames = 0
        last = self._began
        buffer = bytearray(_BUFFER)
        first = id(self._connections[0]), 1
        with file.open("wb") as kept:
            for connection, (stream, start, stop) in reading(self._connections, buffer):
                key = id(connection), stream
                if key == first:
                    kept.write(memoryview(buffer)[start:stop])
                if key not in heard:
                    heard.add(key)
                    if len(heard) == self._streams:
                        _tell(opened=time.time() - self._began)
                total += stop - start
                frames += 1
                is_end = buffer.find(mark, start, stop) >= 0
                if not is_end or stop - start > _SMALL:
                    last = time.time()
                if is_end:
                    done.add(key)
                    if len(done) == self._streams:
                        break
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = used.ru_utime + used.ru_stime
        _tell(last=last, bytes=total, frames=frames, cpu=cpu)


def _tell(**facts: float) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    host, port, path, streams, request, ends, mark, file = sys.argv[1:]
    watchers = Watchers(host, int(port), int(streams))
    watchers.open(path, bytes.fromhex(request), ends=ends == "yes")
    watchers.read(bytes.fromhex(mark), Path(file))


if __name__ == "__main__":
    main()
