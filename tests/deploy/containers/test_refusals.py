"""What is wrong around a container is its first line, and it does not start."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.containers.harbour import Harbour
from tests.deploy.containers.podman import run

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]


def test_a_missing_state_volume(harbour: Harbour) -> None:
    volumes = harbour.volumes()[2:]
    assert harbour.refused(volumes=volumes) == (
        1,
        "longshored: Cannot use /var/lib/longshore/state as state directory: "
        "Read-only file system",
    )


def test_missing_images(harbour: Harbour) -> None:
    state, images, sockets = zip(*[iter(harbour.volumes())] * 2, strict=True)
    assert images[1].endswith("/srv/images")
    assert harbour.refused(volumes=(*state, *sockets)) == (
        1,
        "longshored: images.roots: /srv/images cannot be opened: "
        "No such file or directory",
    )


def test_nowhere_to_put_the_socket(harbour: Harbour) -> None:
    code, line = harbour.refused(volumes=harbour.volumes()[:4])
    assert (code, "Cannot make the socket" in line) == (1, True), line


def _volume_of_root(harbour: Harbour) -> None:
    shutil.chown(harbour.state, 0, 0)
    harbour.state.chmod(0o700)


def _state_of_root(harbour: Harbour) -> None:
    harbour.store.parent.mkdir()


def _lock_of_root(harbour: Harbour) -> None:
    harbour.store.parent.mkdir()
    harbour.own(harbour.store.parent)
    (harbour.store.parent / "lock").touch(0o600)


def _store_of_root(harbour: Harbour) -> None:
    harbour.store.parent.mkdir()
    harbour.own(harbour.store.parent)
    harbour.store.touch(0o600)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (_volume_of_root, "state directory: Permission denied"),
        (_state_of_root, "state directory: Operation not permitted"),
        (_lock_of_root, "Cannot use the lock"),
        (_store_of_root, "unable to open database file"),
    ],
)
def test_wrong_rights(
    harbour: Harbour, spoil: Callable[[Harbour], None], says: str
) -> None:
    spoil(harbour)
    code, line = harbour.refused()
    assert (code, says in line) == (1, True), line


@pytest.fixture
def small(harbour: Harbour) -> Iterator[Path]:
    """The state volume is a file system of 128 KiB."""
    mount = ("mount", "-t", "tmpfs", "-o", "size=128k,uid=10001", "none")
    run(*mount, harbour.state)
    yield harbour.state
    harbour.close()
    run("umount", harbour.state)


@pytest.mark.parametrize("free", [0, 3, 12])
def test_a_full_volume(harbour: Harbour, small: Path, free: int) -> None:
    # Full for the lock, for the database, for its log.
    (small / "fill").write_bytes(bytes((32 - free) * 4096))
    code, line = harbour.refused()
    assert (code, "o space left" in line) == (1, True), line


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("LONGSHORE_JOBS__SLOTZ=3", "did you mean jobs.slots"),
        ("LONGSHORE_JOBS__SLOTS=many", "jobs.slots"),
        ("LONGSHORE_SERVER__LISTEN=0.0.0.0:50051", "has no TLS"),
    ],
)
def test_a_wrong_setting(harbour: Harbour, option: str, says: str) -> None:
    code, line = harbour.refused("-e", option)
    assert (code, says in line) == (1, True), line
