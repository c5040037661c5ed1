"""No reference in an image leads out of the roots, whatever is asked of it."""

from pathlib import Path

import pytest

from longshore.v1 import job_pb2
from tests.faults.arena import CANARY_BYTES, shows_canary
from tests.faults.calls import OPENERS, READERS, SLOWEST_SECONDS, ask, jobs_of
from tests.faults.chains import run
from tests.faults.hall import Hall
from tests.faults.references import REFERENCES, Reference
from tests.support.chains import make_deep
from tests.support.pictures import BLOCK

pytestmark = pytest.mark.slow


def test_there_are_as_many_vectors_as_were_promised() -> None:
    assert len(REFERENCES) >= 60


@pytest.mark.parametrize("vector", REFERENCES, ids=lambda one: ascii(one.name)[:40])
def test_a_hostile_reference_is_refused_by_every_call(
    hall: Hall, vector: Reference
) -> None:
    top = vector.build(hall.arena, hall.new_name())
    before = hall.arena.state()
    for name, call in READERS.items():
        if vector.is_shown and name not in OPENERS:
            continue
        answer = ask(call, hall.client, str(top))
        assert answer.reason in vector.reasons, (name, answer)
        assert answer.seconds < SLOWEST_SECONDS, (name, answer)
        assert not shows_canary(answer.text), name
        assert names_where(answer.text, top), (name, answer)
    assert hall.arena.state() == before
    assert jobs_of(hall.client) == 0
    hall.must_keep_secrets()


def names_where(text: str, top: Path) -> bool:
    """The error names an image of the chain, so that somebody can find it."""
    return str(top.parent) in text


def test_a_chain_of_200_images_below_the_top_is_followed(hall: Hall) -> None:
    directory = hall.arena.root / hall.new_name()
    directory.mkdir()
    make_deep(directory, 200)
    for name in OPENERS - {"CreateJob"}:
        assert ask(READERS[name], hall.client, f"{directory}/200").reason == "no error"
    job = hall.client.pull(f"{directory}/200")
    assert job.wait(20).state == job_pb2.JOB_STATE_SUCCEEDED
    job.dismiss()


@pytest.mark.qemu
def test_what_a_guest_wrote_into_a_raw_base_is_bytes_and_no_header(hall: Hall) -> None:
    # A guest owns sector 0 of its raw disk: here it pretends to be an image that is
    # backed by a file of the host.
    forged = hall.arena.overlay(hall.new_name(), str(hall.arena.canary))
    top = hall.arena.overlay(hall.new_name(), forged.name, "raw")
    job = hall.client.pull(top)
    assert job.wait(20).state == job_pb2.JOB_STATE_SUCCEEDED
    shown = hall.arena.directory / "shown"
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(top), str(shown))
    assert shown.read_bytes() == forged.read_bytes()[:BLOCK]
    assert CANARY_BYTES[:64] not in top.read_bytes()
    job.dismiss()
