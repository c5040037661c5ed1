"""What is wrong with a spec before any file is looked at."""

import pytest

from longshored.job.spec import ImageRef, PullSpec

TOP, BASE = ImageRef("/a", "qcow2"), ImageRef("/b", "raw")

WRONG = [
    (PullSpec(ImageRef("", "qcow2")), ["top.uri"]),
    (PullSpec(ImageRef("/a", "raw")), ["top.format"]),
    (PullSpec(ImageRef("", "")), ["top.uri", "top.format"]),
    (PullSpec(TOP, base=ImageRef("/b", "vmdk")), ["base.format"]),
    (PullSpec(TOP, base=ImageRef("/a", "qcow2")), ["base.uri"]),
    (PullSpec(TOP, backing_chain=(BASE, ImageRef("", ""))), ["backing_chain[1].uri"]),
]


@pytest.mark.parametrize("spec", [PullSpec(TOP), PullSpec(TOP, BASE, (BASE,))])
def test_a_right_spec_is_left_alone(spec: PullSpec) -> None:
    assert list(spec.check()) == []


@pytest.mark.parametrize(("spec", "fields"), WRONG)
def test_a_wrong_field_is_named(spec: PullSpec, fields: list[str]) -> None:
    found = [violation.field for violation in spec.check()]
    assert found[: len(fields)] == fields
