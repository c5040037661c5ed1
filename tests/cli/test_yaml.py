"""YAML: what is read back is what was written, by readers of 1.1 and of 1.2."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.cli.yaml import emit
from tests.support.blockyaml import load

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
KEYS = st.text(min_size=1)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=20
)


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert load(emit(value)) == value


@given(st.text())
def test_no_text_breaks_a_line(text: str) -> None:
    written = emit({"key": text})
    assert "\n" not in written
    assert not any(char in written for char in "\x7f\x85\u2028\u2029\ufeff\r")


@pytest.mark.parametrize("word", ["yes", "No", "ON", "null", "true", "n", "1", "1.5"])
def test_a_word_that_means_something_in_yaml_is_quoted(word: str) -> None:
    assert emit(word) == f'"{word}"'


@pytest.mark.parametrize("word", ["block.pull", "/srv/top.qcow2", "JOB_STATE_RUNNING"])
def test_a_word_that_means_itself_is_not(word: str) -> None:
    assert emit(word) == word


def test_a_job_reads_as_people_expect() -> None:
    value = {"jobId": "a", "nodes": [{"uri": "/a", "taken": []}, {"uri": "/b"}], "x": 1}
    assert emit(value) == (
        "jobId: a\nnodes:\n  - uri: /a\n    taken: []\n  - uri: /b\nx: 1"
    )


def test_an_emoji_is_itself() -> None:
    assert emit("\U0001f6a2") == '"\U0001f6a2"'
