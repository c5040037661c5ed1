"""Backing names that an attacker would write into an image, and what comes of them.

List C of the attack inputs. Each vector builds one image whose chain must be
refused; the answer is one of the named reasons, whatever was asked.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from longshored.block.qcow2.create import CreateOptions
from tests.faults.arena import CANARY_BYTES, Arena
from tests.support.chains import make_deep, plant
from tests.support.nodes import new_qcow2
from tests.support.pictures import BLOCK

DENIED = "PERMISSION_DENIED"
MISSING = "TARGET_NOT_FOUND"
STATE = "TARGET_WRONG_STATE"
INVALID = "IMAGE_INVALID"
UNSUPPORTED = "IMAGE_UNSUPPORTED"
FIELD = "FIELD_INVALID"


@dataclass(frozen=True, slots=True)
class Reference:
    """A trap: `build` makes it under a name of its own and returns its top."""

    name: str
    build: Callable[[Arena, str], Path]
    reasons: frozenset[str]
    # Its header can be shown, and it may be built on: only its bytes are refused.
    is_shown: bool = False


def planted(backing: str, format_: str | None = "raw") -> Callable[[Arena, str], Path]:
    """A top whose header names this; `{canary}` and `{root}` are filled in."""

    def build(arena: Arena, name: str) -> Path:
        text = backing.replace("{canary}", str(arena.canary))
        return arena.overlay(name, text.replace("{root}", str(arena.root)), format_)

    return build


# What the names lead to, by reason. `~` stands for the top itself.
_NAMES: dict[str, tuple[str, ...]] = {
    DENIED: (
        "{canary}",
        "../outside/canary.raw",
        "directory/../../outside/canary.raw",
        "../../../../../../../../etc/passwd",
        "..//..//etc/passwd",
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/fd/0",
        "/proc/self/fd/7",
        "/proc/self/root{canary}",
        "/proc/1/root/etc/passwd",
        "/dev/stdin",
        "/dev/fd/0",
        "/dev/zero",
        "/dev/urandom",
        "/dev/mem",
        "file:{canary}",
        "link-out",
        "link-up",
        "door/canary.raw",
        "./door/../outside/canary.raw",
        "link-environ",
        "link-fd",
        "link-zero",
        "{root}/link-out",
        "{root}/../outside/canary.raw",
        "..",
        "../images/../outside",
    ),
    STATE: (
        "fifo",
        "zero",
        "directory",
        "socket",
        ".",
        "./",
        "round",
        "{root}",
        "directory/",
    ),
    MISSING: (
        "missing.raw",
        "plain.raw/inside",
        "-o",
        "a,b=c",
        "plain.raw,format=qcow2",
        "%2e%2e%2foutside",
        "x" * 255,
        "./" * 400 + "missing.raw",
    ),
    UNSUPPORTED: (
        'json:{"driver":"file","filename":"{canary}"}',
        'json:{"driver":"raw","file":{"driver":"file","filename":"/etc/passwd"}}',
        'json:{"driver":"quorum","vote-threshold":1,"children":'
        '[{"driver":"nbd","host":"127.0.0.1","port":"10809"}]}',
        "nbd://127.0.0.1:10809/export",
        "nbd:unix:/run/nbd.sock",
        "http://127.0.0.1/canary.raw",
        "https://127.0.0.1/canary.raw",
        "ftp://127.0.0.1/canary.raw",
        "ssh://127.0.0.1/etc/passwd",
        "rbd:pool/image",
        "iscsi://127.0.0.1/target/0",
        "gluster://127.0.0.1/volume/image",
        "fat:/etc",
        "fat:rw:/etc",
        "null-co://",
        "blkdebug::{canary}",
        "blkverify:{canary}:{canary}",
        "host_device:/dev/zero",
        "fd:3",
        "exec:cat /etc/passwd",
        "file:canary.raw",
        "file:../outside/canary.raw",
    ),
    INVALID: (
        "plain\0.raw",
        "\0",
        "plain.raw\n",
        "plain.raw\r\n2026 root: all is well",
        "\x1b[2Jplain.raw",
        "\x7fplain.raw",
        "war.\u202enialp",
        "plain\udcff.raw",
        "\udcc0\udcaf\udcc0\udcae",
        "y" * 256,
        "~",
        "./~",
        "{root}/~",
        "directory/../~",
    ),
}


def _named() -> Iterator[Reference]:
    for reason, names in _NAMES.items():
        for name in names:
            yield Reference(name, _with_own_name(name), frozenset({reason}))


def _with_own_name(backing: str) -> Callable[[Arena, str], Path]:
    def build(arena: Arena, name: str) -> Path:
        return planted(backing.replace("~", name), _format_of(backing))(arena, name)

    return build


def _format_of(backing: str) -> str:
    # A loop goes on only through images that name a backing file themselves.
    return "qcow2" if "~" in backing else "raw"


def _ring(arena: Arena, name: str) -> Path:
    arena.overlay(f"{name}-b", f"{name}-c", "qcow2")
    arena.overlay(f"{name}-c", name, "qcow2")
    return arena.overlay(name, f"{name}-b", "qcow2")


def _pair(arena: Arena, name: str) -> Path:
    arena.overlay(f"{name}-b", name, "qcow2")
    return arena.overlay(name, f"{name}-b", "qcow2")


def _pair_by_link(arena: Arena, name: str) -> Path:
    (arena.root / f"{name}-l").symlink_to(name)
    arena.overlay(f"{name}-b", f"{name}-l", "qcow2")
    return arena.overlay(name, f"{name}-b", "qcow2")


def _pair_by_hard_link(arena: Arena, name: str) -> Path:
    top = arena.overlay(name, f"{name}-l", "qcow2")
    os.link(top, arena.root / f"{name}-l")
    return top


def _too_deep(arena: Arena, name: str) -> Path:
    directory = arena.root / f"{name}-deep"
    directory.mkdir()
    make_deep(directory, 201)
    return directory / "201"


def _content(data: bytes) -> Callable[[Arena, str], Path]:
    """A backing file that is called qcow2 and holds something else."""

    def build(arena: Arena, name: str) -> Path:
        (arena.root / f"{name}-b").write_bytes(data.ljust(BLOCK, b"\0"))
        return arena.overlay(name, f"{name}-b", "qcow2")

    return build


def _with_data_file(arena: Arena, name: str) -> Path:
    below = arena.overlay(f"{name}-b")
    data_file = str(arena.canary).encode()
    with below.open("r+b") as file:
        file.seek(72)
        file.write((1 << 2).to_bytes(8, "big"))
        file.seek(112)
        file.write((0x44415441).to_bytes(4, "big") + len(data_file).to_bytes(4, "big"))
        file.write(data_file.ljust(-(-len(data_file) // 8) * 8, b"\0") + bytes(8))
    return arena.overlay(name, below.name, "qcow2")


def _encrypted(arena: Arena, name: str) -> Path:
    below = arena.overlay(f"{name}-b")
    with below.open("r+b") as file:
        file.seek(32)
        file.write((2).to_bytes(4, "big"))
    return arena.overlay(name, below.name, "qcow2")


def _long_name(length: int) -> Callable[[Arena, str], Path]:
    """The header says that the name has so many bytes."""

    def build(arena: Arena, name: str) -> Path:
        path = arena.root / name
        options = CreateOptions(BLOCK, backing_file="plain.raw", backing_format="raw")
        new_qcow2(path, options).close()
        plant(path, "z/" * 600, "raw")
        with path.open("r+b") as file:
            file.seek(16)
            file.write(length.to_bytes(4, "big"))
        return path

    return build


_MAGIC: dict[str, bytes] = {
    "text": CANARY_BYTES[:BLOCK],
    "nothing": b"",
    "VMDK": b"KDMV\1\0\0\0\3\0\0\0",
    "VMDK descriptor": b'# Disk DescriptorFile\nversion=1\nRW 1 FLAT "/etc/passwd" 0\n',
    "VHDX": b"vhdxfile" + b"Q\0E\0M\0U\0",
    "VHD": b"conectix\0\0\0\2\0\1\0\0",
    "VDI": b"<<< QEMU VM Virtual Disk Image >>>\n".ljust(64, b"\0")
    + b"\x7f\x10\xda\xbe",
    "QED": b"QED\0" + (65536).to_bytes(4, "little"),
    "LUKS": b"LUKS\xba\xbe\0\1aes\0",
    "ISO": bytes(32769) + b"CD001\1\0",
    "qcow1": b"QFI\xfb\0\0\0\1" + bytes(8) + (12).to_bytes(4, "big"),
    "parallels": b"WithoutFreeSpace",
    "cloop": b"#!/bin/sh\n#V2.0 Format\nmodprobe cloop",
}

REFERENCES = (
    *_named(),
    Reference("loop of two", _pair, frozenset({INVALID})),
    Reference("loop of three", _ring, frozenset({INVALID})),
    Reference("loop through a link", _pair_by_link, frozenset({INVALID})),
    Reference("loop through a hard link", _pair_by_hard_link, frozenset({INVALID})),
    Reference("201 deep", _too_deep, frozenset({UNSUPPORTED})),
    Reference("no format", planted("plain.raw", None), frozenset({STATE})),
    *(
        Reference(f"format {one}", planted("plain.raw", one), frozenset({UNSUPPORTED}))
        for one in ("vmdk", "host_device", "nbd", "luks", "RAW")
    ),
    *(
        Reference(f"format {one}", planted("plain.raw", one), frozenset({INVALID}))
        for one in ("raw\n", "ra\0w", "x" * 600)
    ),
    *(
        Reference(
            f"{name} called qcow2", _content(data), frozenset({INVALID, UNSUPPORTED})
        )
        for name, data in _MAGIC.items()
    ),
    Reference("external data file", _with_data_file, frozenset({UNSUPPORTED}), True),
    Reference("encrypted", _encrypted, frozenset({UNSUPPORTED}), True),
    Reference("name of 1,024 bytes", _long_name(1024), frozenset({INVALID})),
    Reference("name of 2^32-1 bytes", _long_name(2**32 - 1), frozenset({INVALID})),
)
