"""A checkpoint says which image it is about, and is read only if it is whole."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.node import Identity
from longshored.drivers.pull_state import PullState, decode_state, encode_state
from longshored.errors import Kind, ServiceError

STATE = PullState(1, 2, 300, 200, 5, 1, copied=100)


@given(st.lists(st.integers(0, 1 << 63), min_size=8, max_size=8), st.text())
def test_a_checkpoint_survives_its_encoding(values: list[int], handle: str) -> None:
    state = PullState(*values, handle=handle)
    assert decode_state(encode_state(state)) == state


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", encode_state(STATE)[:-2], b'{"version": 2}']
)
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(ServiceError) as caught:
        decode_state(data)
    assert caught.value.kind is Kind.INTERNAL


def test_the_same_image_is_accepted() -> None:
    STATE.check_same(Identity(1, 2), "", 300, "/top")


def test_the_same_file_on_a_device_with_another_number_is_accepted() -> None:
    state = replace(STATE, handle="1:ab")
    state.check_same(Identity(9, 2), "1:ab", 300, "/top")


def test_another_file_with_the_number_of_the_old_one_is_refused() -> None:
    state = replace(STATE, handle="1:ab")
    with pytest.raises(ServiceError) as caught:
        state.check_same(Identity(1, 2), "1:cd", 300, "/top")
    assert caught.value.kind is Kind.INTERRUPTED_BY_RESTART
    assert caught.value.facts["found"] == "1:cd, 300 bytes"


def test_where_one_has_no_handle_the_numbers_decide() -> None:
    replace(STATE, handle="1:ab").check_same(Identity(1, 2), "", 300, "/top")


def test_a_checkpoint_from_before_there_were_handles_is_read() -> None:
    values = json.loads(encode_state(STATE))
    del values["handle"]
    assert decode_state(json.dumps(values).encode()) == STATE


@pytest.mark.parametrize(
    ("identity", "size"),
    [(Identity(1, 3), 300), (Identity(2, 2), 300), (Identity(1, 2), 301)],
)
def test_another_image_is_refused(identity: Identity, size: int) -> None:
    with pytest.raises(ServiceError) as caught:
        STATE.check_same(identity, "", size, "/top")
    assert caught.value.kind is Kind.INTERRUPTED_BY_RESTART
