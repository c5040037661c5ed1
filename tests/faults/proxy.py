"""A line between client and daemon that can be cut: one unix socket to another."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PIECE = 64 * 1024


class Proxy:
    """Passes bytes on until it is told to cut. A daemon that is away is a cut too."""

    def __init__(self, listener: socket.socket, daemon: Path) -> None:
        # Set once.
        self._listener = listener
        self._daemon = daemon
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._lines: list[tuple[socket.socket, socket.socket]] = []
        self.cuts = 0

    def serve(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._join(client)

    def cut(self, dice: random.Random) -> None:
        """End some of the lines in the middle of whatever they carry."""
        with self._lock:
            chosen = [line for line in self._lines if dice.random() < 0.7]
        for line in chosen:
            self._end(line)

    def close(self) -> None:
        self._listener.close()
        with self._lock:
            lines = list(self._lines)
        for line in lines:
            self._end(line)

    def _join(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self._daemon))
        except OSError:
            client.close()
            server.close()
            return
        line = (client, server)
        with self._lock:
            self._lines.append(line)
        for source, target in (line, line[::-1]):
            threading.Thread(
                target=self._pump, args=(source, target, line), daemon=True
            ).start()

    def _pump(
        self,
        source: socket.socket,
        target: socket.socket,
        line: tuple[socket.socket, socket.socket],
    ) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                target.sendall(data)
        self._end(line)

    def _end(self, line: tuple[socket.socket, socket.socket]) -> None:
        with self._lock:
            if line not in self._lines:
                return
            self._lines.remove(line)
            self.cuts += 1
        for end in line:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def proxy(path: Path, daemon: Path) -> Iterator[Proxy]:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    made = Proxy(listener, daemon)
    thread = threading.Thread(target=made.serve, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        made.close()
        thread.join()
