"""Images drawn as text, one letter one block.

-       nothing was ever written: a hole
0       zeros that were written
A … Z   data; the same letter is the same bytes at the same place
"""

import random

from longshored.block.extent import Data
from longshored.block.node import BlockNode

BLOCK = 64 * 1024


def block_bytes(letter: str, index: int, block: int = BLOCK) -> bytes:
    """What a letter stands for at this place: zeros, or noise of its own."""
    if letter in "-0":
        return bytes(block)
    return random.Random(f"{letter}{index}").randbytes(block)


def content(picture: str, block: int = BLOCK) -> bytes:
    """All bytes of a picture."""
    return b"".join(block_bytes(c, i, block) for i, c in enumerate(picture))


def draw(node: BlockNode, picture: str, block: int = BLOCK) -> None:
    """Write a picture into an empty node."""
    for index, letter in enumerate(picture):
        match letter:
            case "-":
                pass
            case "0":
                node.write_zeroes(index * block, block)
            case _:
                node.pwrite(index * block, block_bytes(letter, index, block))


def layers_seen(*pictures: str) -> str:
    """The picture that a chain shows, top first, all of one length."""
    return "".join(
        next((letter for letter in column if letter != "-"), "-")
        for column in zip(*pictures, strict=True)
    )


def shape(node: BlockNode, block: int = BLOCK) -> str:
    """What the extents of a node say of each block: D, 0 or -."""
    letters = {Data.RAW: "D", Data.COMPRESSED: "D", Data.ZERO: "0"}
    drawn = ""
    for extent in node.extents():
        assert extent.length % block == 0, "the picture has finer lines than blocks"
        drawn += letters.get(extent.data, "-") * (extent.length // block)
    return drawn
