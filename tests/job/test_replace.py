"""The fast replace does what the one of the standard library does."""

import dataclasses

import pytest

from longshored.job.model import Ask, Job
from longshored.job.replace import replace
from longshored.job.states import State
from tests.job.jobs import in_state


@pytest.mark.parametrize("state", State)
def test_it_agrees_with_the_original(state: State) -> None:
    job = in_state(state)
    assert replace(job, owner="x") == dataclasses.replace(job, owner="x")


def test_the_value_itself_is_left_alone() -> None:
    job = in_state(State.QUEUED)
    assert replace(job, owner="x") is not job
    assert job.owner == ""


def test_an_unknown_field_is_an_error() -> None:
    with pytest.raises(KeyError):
        replace(Ask("ada", 1), by_whom="x")  # type: ignore[call-arg]


def test_every_field_of_a_job_is_kept() -> None:
    job = in_state(State.RUNNING)
    again = replace(job)
    for field in dataclasses.fields(Job):
        assert getattr(again, field.name) is getattr(job, field.name)
