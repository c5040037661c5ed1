"""A file in memory that remembers every write and flush, to be crashed at will.

It takes the place of the raw node under a qcow2 image.

A power cut keeps what was flushed and any subset of the sectors written since:
`crash_states` draws such files from a recorded history.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from longshored.block.node import Buffer

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Write:
    offset: int
    data: bytes

    def sectors(self) -> Iterator["Write"]:
        """The pieces that a disk writes at once."""
        at = self.offset
        while at < self.offset + len(self.data):
            end = min(at // SECTOR * SECTOR + SECTOR, self.offset + len(self.data))
            yield Write(at, self.data[at - self.offset : end - self.offset])
            at = end


@dataclass(frozen=True, slots=True)
class Resize:
    size: int


@dataclass(frozen=True, slots=True)
class Flush:
    pass


Event = Write | Resize | Flush


@dataclass(slots=True)
class RecordedFile:
    """Bytes that grow as a file does; `history` is what was done to `before`."""

    content: bytearray = field(default_factory=bytearray)
    uri: str = "memory:recorded"
    is_device: bool = False
    history: list[Event] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.content)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        assert offset + len(buffer) <= self.size, "a read past the end of the file"
        buffer[:] = self.content[offset : offset + len(buffer)]

    def pwrite(self, offset: int, data: Buffer) -> None:
        event = Write(offset, bytes(data))
        self.history.append(event)
        apply(self.content, event)

    def truncate(self, size: int) -> None:
        self.history.append(Resize(size))
        apply(self.content, Resize(size))

    def allocate(self, offset: int, length: int) -> None:
        if offset + length > self.size:
            self.truncate(offset + length)

    def discard(self, offset: int, length: int) -> None:
        """Zeros at once: who still needs the bytes is to find out."""
        self.pwrite(offset, bytes(min(length, self.size - offset)))

    def flush(self) -> None:
        self.history.append(Flush())

    def close(self) -> None:
        pass


def apply(content: bytearray, event: Event) -> None:
    match event:
        case Write(offset, data):
            if offset > len(content):
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(data)] = data
        case Resize(size):
            del content[size:]
            content.extend(bytes(size - len(content)))
        case Flush():
            pass


def epochs(history: list[Event]) -> Iterator[list[Event]]:
    """The history cut at its flushes; what lies in one epoch may be reordered."""
    epoch: list[Event] = []
    for event in history:
        if isinstance(event, Flush):
            yield epoch
            epoch = []
        else:
            epoch.append(event)
    yield epoch


def crash_states(
    before: bytes, history: list[Event], random: Random, drawn_per_epoch: int
) -> Iterator[bytes]:
    """Files that a cut may leave: every prefix, and random subsets of sectors."""
    durable = bytearray(before)
    for epoch in epochs(history):
        state = bytearray(durable)
        for event in epoch:
            yield bytes(state)
            apply(state, event)
        pieces = [
            piece
            for event in epoch
            for piece in (event.sectors() if isinstance(event, Write) else [event])
        ]
        for _ in range(drawn_per_epoch if len(pieces) > 1 else 0):
            yield _subset(durable, pieces, random)
        durable = state
    yield bytes(durable)


def _subset(durable: bytearray, pieces: list[Event], random: Random) -> bytes:
    state = bytearray(durable)
    keep = random.choice((0.1, 0.5, 0.9))
    for piece in pieces:
        # The length of a file is kept: the cut loses bytes, which read as zeros.
        if isinstance(piece, Resize) or random.random() < keep:
            apply(state, piece)
    return bytes(state)
