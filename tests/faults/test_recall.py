"""The harness itself: each checker sees the bug that it is for, seeded on purpose."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from longshore.requests import Submit, pull_info
from longshore.v1 import job_options_pb2, job_pb2, job_service_pb2
from longshored.scheduler.failpoints import VARIABLE as RULES
from longshored.units import KiB, MiB
from tests.faults import bugged, ground
from tests.faults.arena import Arena
from tests.faults.calls import ask, map_image
from tests.faults.chains import Chain, Templates
from tests.faults.checkers import at_any_instant, bytes_differ, when_pulled
from tests.faults.disks import FLUSHES, READS, WRITES, failing, small_disk
from tests.faults.order import unflushed_publications
from tests.faults.process import Daemon, serving
from tests.faults.witness import Witness, differs
from tests.faults.workload import JOB_SECONDS, Ledger

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

ROOT = Path(__file__).parents[2]

NO_BUG = "no bug"


@contextmanager
def buggy(place: Path, bug: str, **environment: str) -> Iterator[Daemon]:
    """A daemon with a bug, or with none to see that the checker is silent then."""
    if bug == NO_BUG:
        with serving(place, environment=environment) as daemon:
            yield daemon
        return
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    seeded = environment | {bugged.VARIABLE: bug, "PYTHONPATH": paths}
    with serving(place, environment=seeded, module="tests.faults.bugged") as daemon:
        yield daemon


def both(bug: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bug", [bug, NO_BUG])


def is_caught(bug: str, violations: object) -> bool:
    """Violations if there is a bug, and none if there is not."""
    return bool(violations) == (bug != NO_BUG)


def copied(templates: Templates, place: Path, shape: str = "raw") -> Chain:
    return templates.copy(shape, place / "images" / shape)


def killed_at(place: Path, chain: Chain, bug: str, step: str) -> None:
    """A pull whose daemon is killed at a step."""
    with buggy(place, bug, **{RULES: f"{step}=kill"}) as daemon:
        with daemon.client() as client:
            ledger = Ledger()
            ledger.want(chain)
            ledger.send(client)
        daemon.wait_dead()


@both("pointers_first")
def test_a_table_before_its_counters_is_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    chain = copied(templates, place)
    sources = chain.sources()
    killed_at(place, chain, bug, "publish.l1_written")
    assert is_caught(bug, at_any_instant(chain, sources))


@both("unlink_early")
def test_a_backing_file_given_up_early_is_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    chain = copied(templates, place)
    sources = chain.sources()
    killed_at(place, chain, bug, "pull.batch_copied")
    assert is_caught(bug, at_any_instant(chain, sources))


@both("keep_leaks")
def test_leaks_of_a_killed_pull_are_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    chain = copied(templates, place)
    sources = chain.sources()
    killed_at(place, chain, bug, "publish.refcounts_flushed")
    with buggy(place, bug) as daemon, daemon.client() as client:
        (job,) = client.list()
        client.job(job.job_id).wait(JOB_SECONDS)
    assert is_caught(bug, when_pulled(chain, sources))


@both("skip_flush")
def test_a_batch_published_without_a_flush_is_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    chain = copied(templates, place)
    log = place / "strace"
    calls = f"{WRITES},{FLUSHES}"
    with (
        buggy(place, bug) as daemon,
        daemon.client() as client,
        failing(daemon.pid, chain.top, calls, "", log),
    ):
        client.pull(chain.top).wait(JOB_SECONDS)
    assert is_caught(bug, unflushed_publications(log.read_text().splitlines()))


@both("retry_flush")
def test_a_second_fsync_after_a_failed_one_is_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    chain = copied(templates, place)
    with (
        buggy(place, bug) as daemon,
        daemon.client() as client,
        failing(daemon.pid, chain.top, FLUSHES, "EIO", place / "strace") as injection,
    ):
        client.pull(chain.top).wait(JOB_SECONDS, raise_on_failure=False)
        again = injection.end()[1:]
    assert is_caught(bug, again)


@both("zeros_on_error")
def test_zeros_instead_of_a_read_error_are_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    chain = copied(templates, place)
    with buggy(place, bug) as daemon, daemon.client() as client:
        base = chain.directory / "base.raw"
        with failing(daemon.pid, base, READS, "EIO", place / "strace"):
            client.pull(chain.top).wait(JOB_SECONDS, raise_on_failure=False)
    assert is_caught(bug, bytes_differ(chain.top, chain.expected))


@both("forget_copies")
def test_copies_forgotten_on_a_full_disk_are_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    stops = job_options_pb2.ErrorPolicy(action=job_options_pb2.ERROR_ACTION_ENOSPC_STOP)
    options = job_options_pb2.JobOptions(target_error_policy=stops)
    with small_disk(place / "images", 64 * MiB) as disk, buggy(place, bug) as daemon:
        chain = copied(templates, place)
        sources = chain.sources()
        disk.leave(256 * KiB)
        with daemon.client() as client:
            info = pull_info((chain.top, "qcow2"), None, ())
            job = client.create(info, Submit(options=options))
            job.wait(JOB_SECONDS, states=(job_pb2.JOB_STATE_PAUSED,))
            disk.leave(16 * MiB)
            job.resume()
            job.wait(JOB_SECONDS)
        assert is_caught(bug, when_pulled(chain, sources))


@both("ack_without_commit")
def test_a_job_acknowledged_and_not_kept_is_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    ledger = Ledger()
    ledger.want(copied(templates, place), speed=64 * KiB)
    with buggy(place, bug) as daemon:
        with daemon.client() as client:
            assert ledger.send(client)
        daemon.kill()
        daemon.start()
        with daemon.client() as client:
            lost = ledger.lost(client)
    assert is_caught(bug, lost)


@both("forget_requests")
def test_a_request_that_makes_two_jobs_is_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    ledger = Ledger()
    one = ledger.want(copied(templates, place))
    with buggy(place, bug) as daemon, daemon.client() as client:
        assert ledger.send(client)
        ledger.wait(client)
        # The answer was lost on the way, says the client.
        one.job_id = None
        assert ledger.send(client)
        lost = ledger.lost(client)
    assert is_caught(bug, lost)


@both("drop_event")
def test_a_change_that_no_watcher_hears_of_is_seen(
    place: Path, templates: Templates, bug: str
) -> None:
    chain = copied(templates, place)
    with buggy(place, bug) as daemon, daemon.client() as client:
        witness = Witness(daemon.place.address)
        witness.start()
        for _ in range(5):
            client.pull(chain.top).wait(JOB_SECONDS)
        head = client.stub().ListJobs(job_service_pb2.ListJobsRequest(), timeout=5)
        witness.wait_for(head.cursor.revision, 20.0)
        witness.stop()
        daemon.kill()
        truth = ground.events(daemon.place.state)
    assert is_caught(bug, differs(witness.seen, truth))


@both("follow_anywhere")
def test_a_reference_that_leads_out_is_seen(place: Path, bug: str) -> None:
    arena = Arena(place)
    arena.build()
    top = arena.overlay("top", "../outside/canary.raw")
    with buggy(place, bug) as daemon, daemon.client() as client:
        answer = ask(map_image, client, str(top))
    assert is_caught(bug, answer.error is None)


def test_every_seeded_bug_has_its_checker() -> None:
    text = Path(__file__).read_text()
    assert [bug for bug in bugged.BUGS if f'@both("{bug}")' not in text] == []
