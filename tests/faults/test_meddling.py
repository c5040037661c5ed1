"""Somebody cuts, swaps and replaces files while a pull is at work on them."""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from longshore import Client, Event, JobHandle, Progress
from longshore.errors import WrongState, from_status
from longshore.requests import Submit, pull_info
from longshore.v1 import job_options_pb2, job_pb2
from longshored.units import KiB
from tests.faults.arena import Arena, shows_canary
from tests.faults.calls import ask, get_image, map_image
from tests.faults.chains import Chain, Templates
from tests.faults.checkers import at_any_instant, backing_of, bytes_differ
from tests.faults.process import Daemon, serving
from tests.faults.rig import none
from tests.faults.workload import JOB_SECONDS

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

SLOW = job_options_pb2.JobOptions(speed_bytes_per_second=512 * KiB)


@pytest.fixture
def daemon(place: Path) -> Iterator[Daemon]:
    with serving(place) as started:
        yield started


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    with daemon.client() as opened:
        yield opened


def begun(client: Client, chain: Chain) -> JobHandle:
    """A pull that has moved something and has far to go."""
    base = None if chain.kept is None else (chain.kept, chain.kept_format)
    info = pull_info((chain.top, "qcow2"), base, ())
    job = client.create(info, Submit(options=SLOW))
    for value in job.watch(progress_interval=0.1):
        if isinstance(value, Progress) and value.progress.current:
            break
    return job


def ended(job: JobHandle) -> tuple[int, str]:
    """The state at the end, and the reason if it failed."""
    with suppress(WrongState):  # it has ended already
        job.set_speed(None)
    last = job.wait(JOB_SECONDS, raise_on_failure=False)
    error = from_status(last.error)
    return last.state, "" if error is None else error.reason


def published(job: job_pb2.Job) -> int:
    return job.info.block.pull.status.published_bytes


FAILED, SUCCEEDED = job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_SUCCEEDED


def test_a_base_that_is_cut_is_a_read_error_and_never_zeros(
    daemon: Daemon, client: Client, templates: Templates
) -> None:
    chain = templates.copy("raw", daemon.place.images / "raw")
    base = chain.directory / "base.raw"
    whole = base.read_bytes()
    job = begun(client, chain)
    os.truncate(base, 64 * KiB)
    assert ended(job) == (FAILED, "IO_ERROR")
    assert backing_of(chain.top) == str(base)
    # With the base whole again every byte is there: nothing was made up.
    base.write_bytes(whole)
    assert bytes_differ(chain.top, chain.expected) == ""


def test_a_base_that_is_replaced_is_not_read(
    daemon: Daemon, client: Client, templates: Templates
) -> None:
    chain = templates.copy("raw", daemon.place.images / "raw")
    job = begun(client, chain)
    replace(chain.directory / "base.raw", b"other")
    assert ended(job) == (SUCCEEDED, "")
    assert bytes_differ(chain.top, chain.expected) == ""


def test_a_base_that_stays_and_was_replaced_is_not_made_the_backing_file(
    daemon: Daemon, client: Client, templates: Templates
) -> None:
    chain = templates.copy("keeps", daemon.place.images / "keeps")
    middle = str(chain.directory / "mid.qcow2")
    job = begun(client, chain)
    replace(chain.directory / "base.raw", b"other")
    state, reason = ended(job)
    assert state == FAILED
    assert reason not in ("", "INTERNAL")
    assert backing_of(chain.top) == middle


def test_a_top_that_is_replaced_is_not_written(
    daemon: Daemon, client: Client, templates: Templates
) -> None:
    chain = templates.copy("raw", daemon.place.images / "raw")
    job = begun(client, chain)
    replace(chain.top, b"other")
    state, reason = ended(job)
    assert state == FAILED
    assert reason not in ("", "INTERNAL")
    assert chain.top.read_bytes() == b"other"


def test_a_top_that_was_replaced_while_the_daemon_was_dead_is_not_written(
    daemon: Daemon, client: Client, templates: Templates
) -> None:
    chain = templates.copy("raw", daemon.place.images / "raw")
    other = templates.copy("raw", daemon.place.images / "other")
    sources = other.sources()
    job = begun(client, chain)
    # Long enough for a checkpoint, which says which file it is about.
    for value in job.watch():
        if isinstance(value, Event) and published(value.job):
            break
    daemon.kill()
    # The same size and the same place, but another file.
    replace(chain.top, other.top.read_bytes())
    replaced = chain.top.read_bytes()
    daemon.start()
    assert ended(job) == (FAILED, "INTERRUPTED_BY_RESTART")
    assert chain.top.read_bytes() == replaced
    none(at_any_instant(other, sources))


def replace(path: Path, content: bytes) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    new.rename(path)


def test_no_race_between_a_link_and_a_look_leads_out(place: Path) -> None:
    arena = Arena(place)
    arena.build()
    good = arena.root / "good"
    good.mkdir()
    (good / "canary.raw").write_bytes(bytes(512))
    top = arena.overlay("top", "door-or-wall/canary.raw")
    stop = threading.Event()

    def swap() -> None:
        link, spare = arena.root / "door-or-wall", arena.root / "spare"
        while not stop.is_set():
            for target in (arena.outside, good):
                with suppress(FileExistsError):
                    spare.symlink_to(os.path.relpath(target, arena.root))
                spare.rename(link)

    racer = threading.Thread(target=swap, daemon=True)
    with serving(place) as daemon, daemon.client() as client:
        racer.start()
        answers = [ask(map_image, client, str(top)) for _ in range(150)]
        answers += [ask(get_image, client, str(top)) for _ in range(150)]
        stop.set()
        racer.join()
    assert {one.reason for one in answers} <= {
        "no error",
        "PERMISSION_DENIED",
        "TARGET_NOT_FOUND",
    }
    assert [one for one in answers if shows_canary(one.text)] == []
