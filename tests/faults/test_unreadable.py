"""Files that the daemon's user may not open: refused by name, nothing changed.

For root the kernel looks at no permission bits, so its daemon runs without the two
capabilities that make it so.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from longshored.block.qcow2.create import CreateOptions
from longshored.units import MiB
from tests.faults.calls import (
    READERS,
    Answer,
    Call,
    ask,
    create_job,
    get_image,
    jobs_of,
    map_image,
)
from tests.faults.process import Daemon, serving
from tests.support.nodes import new_qcow2

pytestmark = pytest.mark.slow

MIGHTY = "-dac_override,-dac_read_search"
AS_ANYONE = ("setpriv", f"--bounding-set={MIGHTY}", f"--inh-caps={MIGHTY}")

every_call = pytest.mark.parametrize("call", READERS.values(), ids=READERS.keys())


@pytest.fixture
def daemon(place: Path) -> Iterator[Daemon]:
    wrapper = AS_ANYONE if os.geteuid() == 0 else ()
    with serving(place, wrapper=wrapper) as started:
        yield started


@pytest.fixture
def top(daemon: Daemon) -> Path:
    """An overlay on `base.raw`, beside it in a directory of their own."""
    directory = daemon.place.images / "inner"
    directory.mkdir()
    (directory / "base.raw").write_bytes(b"x" * MiB)
    options = CreateOptions(MiB, backing_file="base.raw", backing_format="raw")
    new_qcow2(directory / "top.qcow2", options).close()
    return directory / "top.qcow2"


def must_deny(answer: Answer, path: Path) -> None:
    assert answer.reason == "PERMISSION_DENIED", answer
    assert answer.error is not None
    assert answer.error.metadata["resource"] == str(path)


@every_call
def test_an_image_that_may_not_be_read_is_refused(
    daemon: Daemon, top: Path, call: Call
) -> None:
    top.chmod(0)
    with daemon.client() as client:
        must_deny(ask(call, client, str(top)), top)
        assert jobs_of(client) == 0


@every_call
def test_a_backing_file_that_may_not_be_read_is_refused(
    daemon: Daemon, top: Path, call: Call
) -> None:
    base = top.with_name("base.raw")
    base.chmod(0)
    with daemon.client() as client:
        must_deny(ask(call, client, str(top)), base)
        assert jobs_of(client) == 0


@every_call
def test_a_directory_that_may_not_be_searched_is_refused(
    daemon: Daemon, top: Path, call: Call
) -> None:
    top.parent.chmod(0)
    try:
        with daemon.client() as client:
            must_deny(ask(call, client, str(top)), top)
    finally:
        top.parent.chmod(0o700)  # whoever cleans up must get in


def test_an_image_that_may_only_be_read_is_shown_and_not_pulled(
    daemon: Daemon, top: Path
) -> None:
    top.chmod(0o400)
    before = top.read_bytes()
    with daemon.client() as client:
        must_deny(ask(create_job, client, str(top)), top)
        assert ask(get_image, client, str(top)).error is None
        assert ask(map_image, client, str(top)).error is None
    assert top.read_bytes() == before
