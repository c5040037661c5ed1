"""Jobs in the bytes that the store keeps of them, and jobs translated when asked for:
nobody can tell which they were given."""

import dataclasses
import hashlib
import json
import sqlite3
import types
import typing
from contextlib import closing
from enum import Enum

import pytest
from google.protobuf.json_format import MessageToDict

from longshore.v1 import job_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.block.roots import Roots
from longshored.drivers.registry import all_drivers
from longshored.errors import Kind
from longshored.job.model import Job
from longshored.job.states import State
from longshored.service import shown
from longshored.service.jobwire import JobWire
from longshored.store.database import FILE
from longshored.store.listing import Stored
from longshored.store.record import encode
from tests.job.jobs import in_state
from tests.service.conftest import Open
from tests.support.calls import create, finished
from tests.support.daemon import Place

BODY = job_pb2.Job(job_id="a").SerializeToString()


def filled(hint: typing.Any, n: int) -> typing.Any:
    """A value with every field filled, from the hints alone; others for another n."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        fields = [field.name for field in dataclasses.fields(hint)]
        values = {name: filled(hints[name], n) for name in fields}
        return typing.cast(type, hint)(**values)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return list(hint)[n % len(hint)]
    if origin in (types.UnionType, typing.Union):
        return filled(inner[0], n)
    if origin is tuple:
        return (filled(inner[0], n), filled(inner[0], n + 1))
    if origin is dict:
        return {"uri": f"value {n}"}
    # What is counted in days of a week is right too.
    return {int: n % 7 + 1, float: n + 0.5, str: f"text {n}", bool: n % 2 > 0}[hint]


def a_job(n: int) -> Job:
    job: Job = filled(Job, n)
    return dataclasses.replace(job, kind="block.pull")


# As many as the longest enum has members, and each state with and without its flags.
JOBS = [a_job(n) for n in range(max(len(Kind), 2 * len(State)))]


def a_wire() -> JobWire:
    drivers = all_drivers(Roots.open([]))
    return JobWire({kind: driver.verbs for kind, driver in drivers.items()})


def stored(job: Job, kept: bytes | None) -> Stored:
    return Stored(job.number, job.state.value, encode(job), kept)


@pytest.mark.parametrize("job", [*JOBS, *map(in_state, State)])
def test_what_is_kept_of_a_job_is_what_its_record_would_give(job: Job) -> None:
    wire = a_wire()
    kept = wire.stored(stored(job, wire.show(job)))
    translated = wire.stored(stored(job, None))
    assert job_pb2.Job.FromString(kept) == job_pb2.Job.FromString(translated)


def test_the_form_is_as_it_was() -> None:
    """If this fails, raise shown.FORM and pin what is new: stores hold what the old
    translation made, and a list must not show that any more."""
    wire = a_wire()
    told = [MessageToDict(wire.message(job)) for job in JOBS]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    assert (shown.FORM, digest[:16]) == (5, "f0b459c4cfc4b1c8")


def test_what_was_kept_is_not_read_from_the_record() -> None:
    wire = a_wire()
    job = in_state(State.SUCCEEDED)
    damaged = Stored(job.number, job.state.value, "no record", wire.show(job))
    assert wire.stored(damaged) == wire.fresh(job)


def test_every_flipped_bit_is_found() -> None:
    kept = shown.seal(BODY)
    assert shown.unseal(kept) == BODY
    for bit in range(8 * len(kept)):
        raw = bytearray(kept)
        raw[bit // 8] ^= 1 << bit % 8
        assert shown.unseal(bytes(raw)) is None


@pytest.mark.parametrize("kept", [None, b"", b"\x01", b"\x01\0\0\0\1", BODY])
def test_what_this_form_has_not_kept_is_not_shown(kept: bytes | None) -> None:
    assert shown.unseal(kept) is None


def test_the_bytes_of_a_change_are_made_once() -> None:
    wire = a_wire()
    job = in_state(State.RUNNING)
    assert wire.show(job).endswith(wire.changed(job))
    assert wire.changed(job) is wire.changed(job)


def test_a_change_that_was_not_committed_lends_its_bytes_to_no_other() -> None:
    """A commit that fails gives its revisions away again."""
    wire = a_wire()
    lost = in_state(State.FAILED, revision=7)
    made = in_state(State.SUCCEEDED, revision=7)
    wire.show(lost)
    assert job_pb2.Job.FromString(wire.changed(made)).state == (
        job_pb2.JOB_STATE_SUCCEEDED
    )


@pytest.mark.parametrize(
    "kept",
    ["NULL", f"x'{shown.FORM - 1:02x}00000000'", "CAST(substr(shown, 1, 20) AS BLOB)"],
)
def test_what_another_daemon_has_kept_is_made_anew(
    open_daemon: Open, place: Place, kept: str
) -> None:
    daemon = open_daemon()
    stubs = daemon.connect()
    create(stubs, "a", job_id="a")
    job = finished(stubs, "a")
    stubs.close()
    daemon.stop_once()
    with closing(sqlite3.connect(place.state / FILE)) as store, store:
        assert store.execute(f"UPDATE jobs SET shown = {kept}").rowcount == 1
    stubs = open_daemon().connect()
    assert list(stubs.jobs.ListJobs(pb.ListJobsRequest()).jobs) == [job]
    stubs.close()
