"""No name that a caller sends leads out of the roots, hangs, or fools a log."""

from pathlib import Path

import pytest

from tests.faults.arena import shows_canary
from tests.faults.calls import READERS, SLOWEST_SECONDS, Answer, ask, create_at, jobs_of
from tests.faults.hall import Hall
from tests.faults.names import NAMES, Name

pytestmark = pytest.mark.slow

vectors = pytest.mark.parametrize("name", NAMES, ids=lambda one: ascii(one.text)[:40])


@vectors
def test_a_hostile_name_is_refused_by_every_call(hall: Hall, name: Name) -> None:
    uri = hall.fill(name.text)
    before = hall.arena.state()
    for title, call in READERS.items():
        answer = ask(call, hall.client, uri)
        assert answer.reason == name.read, (title, answer)
        must_be_decent(answer, title)
    assert hall.arena.state() == before
    assert jobs_of(hall.client) == 0
    hall.must_keep_secrets()


@vectors
def test_a_new_image_is_made_under_a_good_name_only(hall: Hall, name: Name) -> None:
    uri = hall.fill(name.text)
    before = hall.arena.state()
    answer = ask(create_at, hall.client, uri)
    if answer.error is None:
        assert name.made == ""
        Path(uri).unlink()
    else:
        assert answer.reason == name.made, answer
        must_be_decent(answer, "CreateImage")
    assert hall.arena.state() == before


def must_be_decent(answer: Answer, title: str) -> None:
    assert answer.seconds < SLOWEST_SECONDS, title
    assert not shows_canary(answer.text), title
    assert answer.error is not None
    if answer.reason == "FIELD_INVALID":
        assert answer.error.field_violations[0].field.endswith("uri"), answer.text
    else:
        named = answer.error.metadata.keys() & {"uri", "target", "resource"}
        assert len(named) == 1, answer.text
    # What a terminal would act on is never repeated as it came.
    assert not any(ord(char) < 32 or char in "\x7f\x9b\u202e" for char in answer.text)


def test_a_name_that_is_no_text_is_refused_and_the_daemon_lives(hall: Hall) -> None:
    hall.send_bytes(b"\x0a\x06\x0a\x04/\xff\xfe\xfd")
    assert hall.daemon.is_alive
    assert jobs_of(hall.client) == 0


def test_no_log_line_was_forged_by_a_name(hall: Hall) -> None:
    for name in NAMES:
        ask(READERS["CreateJob"], hall.client, hall.fill(name.text))
    lines = hall.daemon.place.log.read_text().splitlines()
    assert [line for line in lines if not line.startswith("{")] == []
