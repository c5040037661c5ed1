"""Feature bits of a header and their names (facts §2)."""

from enum import Enum, IntFlag

MAX_FEATURE_BIT = 63


class FeatureKind(Enum):
    """The three sets of bits; the value is the one of the feature name table."""

    INCOMPATIBLE = 0
    COMPATIBLE = 1
    AUTOCLEAR = 2


class Incompatible(IntFlag):
    DIRTY = 1 << 0
    CORRUPT = 1 << 1
    DATA_FILE = 1 << 2
    COMPRESSION = 1 << 3
    EXTENDED_L2 = 1 << 4


class Compatible(IntFlag):
    LAZY_REFCOUNTS = 1 << 0


class Autoclear(IntFlag):
    BITMAPS = 1 << 0
    RAW_DATA_FILE = 1 << 1


KNOWN_INCOMPATIBLE = sum(Incompatible)
KNOWN_AUTOCLEAR = sum(Autoclear)

NAMES = {
    (FeatureKind.INCOMPATIBLE, 0): "dirty bit",
    (FeatureKind.INCOMPATIBLE, 1): "corrupt bit",
    (FeatureKind.INCOMPATIBLE, 2): "external data file",
    (FeatureKind.INCOMPATIBLE, 3): "compression type",
    (FeatureKind.INCOMPATIBLE, 4): "extended L2 entries",
    (FeatureKind.COMPATIBLE, 0): "lazy refcounts",
    (FeatureKind.AUTOCLEAR, 0): "bitmaps",
    (FeatureKind.AUTOCLEAR, 1): "raw external data",
}
"""What the bits are called in the feature name table of a new image."""


def bits_of(mask: int) -> list[int]:
    """The numbers of the bits that are set, lowest first."""
    return [bit for bit in range(MAX_FEATURE_BIT + 1) if mask >> bit & 1]
