"""The floors of the daemon: a room imports only from floors below its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.support.imports import Import, imports_below

ROOT = Path(__file__).parent.parent
SERVER = ROOT / "server"
CLIENT = ROOT / "clients" / "python"

FLOORS = [
    {"units", "errors", "clock", "tally", "remembered"},
    {"block", "virt", "job"},  # neighbours do not know each other
    {"drivers", "store"},
    {"scheduler"},
    {"service"},
    {"config"},
    {"app"},
    {"__main__"},
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}

# What only some rooms may know of the world outside.
EDGE = {"service", "app", "__main__"}
BELONGS = {
    "grpc": EDGE,
    "asyncio": EDGE,
    "google": EDGE,
    "longshore": EDGE,
    "sqlite3": {"store"},
    "libvirt": {"virt"},
    "prometheus_client": {"app"},
    "opentelemetry": {"app"},
    "multiprocessing": set[str](),  # forks beside gRPC's threads
}

# Bytes in, values out: they must be able to run inside a sandboxed child.
CODECS = {"layout", "tables", "wire", "handshake", "probe"}


def room_of(dotted: tuple[str, ...]) -> str:
    """The room of a module of the daemon; "" for the package itself."""
    return dotted[1] if len(dotted) > 1 and dotted[1] in FLOOR else ""


def offences(source: Path) -> Iterator[str]:
    for found in imports_below(source, "longshored"):
        room = room_of(found.module)
        if len(found.module) > 1 and not room:
            yield f"{found.module[1]} has no floor"
        elif found.target[0] == "longshored":
            yield from _inside(found, room)
        else:
            yield from _outside(found, room)


def _inside(found: Import, room: str) -> Iterator[str]:
    other = room_of(found.target)
    if not found.relative:
        yield f"{found}: inside the package imports are relative"
    elif other and other != room and (not room or FLOOR[other] >= FLOOR[room]):
        yield f"{found}: not below"


def _outside(found: Import, room: str) -> Iterator[str]:
    top = found.target[0]
    if top == "longshore" and found.target[:2] != ("longshore", "v1"):
        yield f"{found}: of the client the daemon knows longshore.v1 only"
    if top in BELONGS and room not in BELONGS[top]:
        yield f"{found}: not in this room"
    if found.module[-1] in CODECS and top in {"os", "socket", "pathlib", "mmap"}:
        yield f"{found}: a codec does no I/O"


def test_a_room_imports_only_from_floors_below() -> None:
    assert list(offences(SERVER)) == []


def test_the_client_does_not_know_the_daemon() -> None:
    found = imports_below(CLIENT, "longshore")
    assert [str(each) for each in found if each.target[0] == "longshored"] == []


def forks(source: Path) -> Iterator[str]:
    """Calls that fork, or that make subprocess fork: they hang beside gRPC."""
    for path in sorted((source / "longshored").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(value=ast.Name(id="os"), attr="fork" | "forkpty"):
                    yield f"{path.name}:{node.lineno} forks"
                case ast.keyword(arg="preexec_fn"):
                    yield f"{path.name}:{node.value.lineno} runs code after a fork"
                case _:
                    pass


def test_the_daemon_never_forks() -> None:
    assert list(forks(SERVER)) == []


def plant(source: Path, name: str, text: str) -> None:
    path = source / "longshored" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def offences_of(source: Path, name: str, text: str) -> list[str]:
    plant(source, name, text)
    return list(offences(source))


def test_an_import_from_the_same_floor_is_found(tmp_path: Path) -> None:
    assert offences_of(tmp_path, "block/raw.py", "from ..job import model")
    assert offences_of(tmp_path, "block/raw.py", "from .. import job")


def test_an_import_from_above_is_found(tmp_path: Path) -> None:
    assert offences_of(tmp_path, "store/jobs.py", "from ..scheduler.pick import x")


def test_an_import_from_below_is_none_of_our_business(tmp_path: Path) -> None:
    text = "from .. import __version__\nfrom ..errors import Kind\nfrom . import node"
    assert not offences_of(tmp_path, "block/raw.py", text)


def test_a_room_without_a_floor_is_found(tmp_path: Path) -> None:
    assert offences_of(tmp_path, "helpers.py", "import json")


def test_an_absolute_import_is_found(tmp_path: Path) -> None:
    assert offences_of(tmp_path, "block/raw.py", "from longshored.errors import Kind")


def test_the_client_library_is_found_but_its_stubs_are_not(tmp_path: Path) -> None:
    text = "from longshore.v1 import job_pb2\nimport longshore.v1.watch_pb2"
    assert not offences_of(tmp_path, "service/jobs.py", text)
    assert offences_of(tmp_path, "service/jobs.py", "from longshore import units")


def test_a_module_in_the_wrong_room_is_found(tmp_path: Path) -> None:
    assert offences_of(tmp_path, "drivers/pull.py", "import sqlite3")


def test_io_in_a_codec_is_found(tmp_path: Path) -> None:
    assert offences_of(tmp_path, "block/qcow2/layout.py", "import os")


def test_a_fork_is_found(tmp_path: Path) -> None:
    plant(tmp_path, "app.py", "os.fork()\nPopen(x, preexec_fn=f)")
    assert len(list(forks(tmp_path))) == 2
