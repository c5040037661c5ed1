"""A job as text and back."""

import dataclasses
import types
import typing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.errors import Kind, ServiceError
from longshored.job.model import Job
from longshored.job.spec import PullResult, PullSpec, PullStatus
from longshored.job.states import State
from longshored.store.record import decode, encode
from tests.job.jobs import a_job, in_state

# Any text that a Python string can be, half surrogate pairs (odd file names) too.
texts = st.text(st.characters(exclude_categories=()), max_size=8)
plain = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    str: texts,
    bool: st.booleans(),
    type(None): st.none(),
}


def anything(hint: typing.Any) -> st.SearchStrategy[typing.Any]:
    """Values of a type hint, from the hints alone: a new field is tested too."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if hint in plain:
        return plain[hint]
    if dataclasses.is_dataclass(hint):
        return values_of(typing.cast(type, hint))
    if origin in (types.UnionType, typing.Union):
        return st.one_of([anything(choice) for choice in inner])
    if origin is tuple:
        return st.lists(anything(inner[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(anything(inner[0]), anything(inner[1]), max_size=3)
    return st.sampled_from(list(hint))


def values_of(cls: type) -> st.SearchStrategy[typing.Any]:
    hints = typing.get_type_hints(cls)
    fields = {
        field.name: anything(hints[field.name]) for field in dataclasses.fields(cls)
    }
    return st.builds(cls, **fields)


jobs = values_of(Job).map(lambda job: replace(job, kind="block.pull"))


@given(jobs)
def test_what_is_read_is_what_was_written(job: Job) -> None:
    assert decode(encode(job)) == job


@pytest.mark.parametrize("state", State)
def test_a_job_of_each_state_comes_back(state: State) -> None:
    assert decode(encode(in_state(state))) == in_state(state)


def test_results_and_status_come_back_with_their_types() -> None:
    job = a_job(status=PullStatus(published_bytes=3), result=PullResult(1, 2, 3))
    again = decode(encode(job))
    assert isinstance(again.spec, PullSpec)
    assert isinstance(again.status, PullStatus)
    assert isinstance(again.result, PullResult)


def test_the_form_is_as_it_was() -> None:
    """A change here is a new form: old stores must still be read."""
    text = encode(replace(a_job(), history=()))
    assert text.partition("{")[2] == (
        '"number":0,"uid":"018f3c2a-0000-7000-8000-000000000001","job_id":"job-1",'
        '"kind":"block.pull","create_time":1,'
        '"spec":{"top":{"uri":"/images/top.qcow2","format":"qcow2"}}}'
    )


def test_every_flipped_bit_is_found() -> None:
    text = encode(in_state(State.RUNNING))
    for bit in range(8 * len(text)):
        raw = bytearray(text, "ascii")
        raw[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ServiceError) as damage:
            decode(raw.decode("latin-1"))
        assert damage.value.kind is Kind.STORE_UNAVAILABLE


@pytest.mark.parametrize("text", ["", "1", "1 00000000 ", "2 00000000 {}", "null"])
def test_what_is_no_record_is_damage(text: str) -> None:
    with pytest.raises(ServiceError) as damage:
        decode(text)
    assert damage.value.kind is Kind.STORE_UNAVAILABLE
