"""What a copy counts and when it may go on, in the hands of a test."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """A tally that a test can look into, and a pace that lets so many pass."""

    passes: int = 1 << 30
    largest: int = 1 << 30
    read: int = 0
    written: int = 0
    zeroed: int = 0
    reflinked: int = 0
    ranges: list[tuple[int, int]] = field(default_factory=list)

    def proceed(self, length: int) -> bool:
        self.passes -= 1
        return self.passes >= 0

    def chunk(self, largest: int) -> int:
        return min(largest, self.largest)

    def done(self, start: int, length: int) -> None:
        self.ranges.append((start, length))

    def count(
        self,
        *,
        read: int = 0,
        written: int = 0,
        zeroed: int = 0,
        reflinked: int = 0,
        skipped: int = 0,
    ) -> None:
        self.read += read
        self.written += written
        self.zeroed += zeroed
        self.reflinked += reflinked

    def spend(self, account: str, seconds: float) -> None:
        pass
