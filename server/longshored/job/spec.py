"""What each kind of job asks for: one dataclass per kind, and what is wrong with it."""

from collections.abc import Iterator
from dataclasses import dataclass

from ..clock import Instant
from ..errors import Violation

FORMATS = ("raw", "qcow2")


@dataclass(frozen=True, slots=True)
class ImageRef:
    """An image and its declared format. The format is never probed from content."""

    uri: str
    format: str


@dataclass(frozen=True, slots=True)
class PullSpec:
    """block.pull: populate `top` from its backing chain, down to `base` or wholly.

    `backing_chain`, if given, is the chain below `top` as the caller declares
    it: it must equal what the images say, and supplies formats they lack.
    `allow_snapshot_loss`: internal snapshots of `top` may lose what they show of the
    images below.
    """

    top: ImageRef
    base: ImageRef | None = None
    backing_chain: tuple[ImageRef, ...] = ()
    allow_snapshot_loss: bool = False

    def check(self) -> Iterator[Violation]:
        yield from check_image("top", self.top, formats=("qcow2",))
        if self.base is not None:
            yield from check_image("base", self.base)
            if self.base.uri == self.top.uri:
                yield Violation("base.uri", "Must be an image below top, not top")
        for index, link in enumerate(self.backing_chain):
            yield from check_image(f"backing_chain[{index}]", link)


def check_image(
    field: str, image: ImageRef, formats: tuple[str, ...] = FORMATS
) -> Iterator[Violation]:
    """What is wrong with a reference before any file is looked at."""
    if not image.uri:
        yield Violation(f"{field}.uri", "Required: an absolute path or a file:// URI")
    if image.format not in formats:
        allowed = " or ".join(formats)
        shown = image.format or "nothing"
        yield Violation(f"{field}.format", f"Must be {allowed}, not {shown}")


Spec = PullSpec
"""Every spec there is; a union once there are more."""

SPECS: dict[str, type[Spec]] = {"block.pull": PullSpec}


@dataclass(frozen=True, slots=True)
class SkippedRange:
    """Bytes that the error policy let go: they were not moved."""

    start: int
    length: int
    uri: str
    error_number: int  # errno


@dataclass(frozen=True, slots=True)
class PullResult:
    """What a pull did; `backing` is the image behind top now, if any.

    `skipped_ranges` holds the first 100; `duration` is in seconds from the first
    start to the end, pauses included.
    """

    copied_bytes: int
    zeroed_bytes: int
    skipped_bytes: int
    backing: ImageRef | None = None
    backing_name: str = ""
    skipped_ranges: tuple[SkippedRange, ...] = ()
    duration: float = 0.0


Result = PullResult

RESULTS: dict[str, type[Result]] = {"block.pull": PullResult}


@dataclass(frozen=True, slots=True)
class PullStatus:
    """Where a pull stands durably: `published_bytes` are in top for good."""

    published_bytes: int = 0
    checkpoint_time: Instant | None = None
    link_count: int = 0
    current_depth: int = 0


Status = PullStatus

STATUSES: dict[str, type[Status]] = {"block.pull": PullStatus}
