"""The service manager's end of NOTIFY_SOCKET."""

import socket
from pathlib import Path


class Ear:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(20)

    def hears(self) -> list[str]:
        return self._socket.recv(4096).decode().split("\n")

    def hears_of(self, word: str) -> list[str]:
        """Listen until a message begins with this."""
        while (lines := self.hears())[0] != word:
            pass
        return lines

    def close(self) -> None:
        self._socket.close()
