"""One daemon for all vectors of a file, in an arena, so that each costs little."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc

from longshore import Client
from tests.faults.arena import Arena, shows_canary
from tests.faults.process import Daemon, serving

SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Hall:
    arena: Arena
    daemon: Daemon
    client: Client
    numbers: "count[int]" = field(default_factory=count)

    def new_name(self) -> str:
        return f"top-{next(self.numbers)}"

    def fill(self, text: str) -> str:
        """A vector's text with the places of this arena in it."""
        named = text.replace("{root}", str(self.arena.root))
        return named.replace("{canary}", str(self.arena.canary))

    def must_keep_secrets(self) -> None:
        """S2: the canary is in no log and no store."""
        place = self.daemon.place
        files = [place.log, *(path for path in place.state.iterdir() if path.is_file())]
        assert [path for path in files if shows_canary(path.read_bytes())] == []

    def send_bytes(self, data: bytes) -> None:
        """A GetImage request as raw bytes; whatever comes back, it is an error."""
        with grpc.insecure_channel(self.daemon.place.address) as channel:
            call: Any = channel.unary_unary("/longshore.v1.ImageService/GetImage")
            try:
                call(data, timeout=SECONDS)
            except grpc.RpcError:
                return
        raise AssertionError("it was taken")


@contextmanager
def open_hall(*wrapper: str) -> Iterator[Hall]:
    """The daemon must have survived everything at the end."""
    with TemporaryDirectory(prefix="ls-") as directory:
        arena = Arena(Path(directory))
        arena.build()
        with (
            serving(arena.directory, wrapper=wrapper) as daemon,
            daemon.client() as client,
        ):
            yield Hall(arena, daemon, client)
            assert daemon.is_alive
