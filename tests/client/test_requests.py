"""Requests from plain arguments; ids that no retry doubles."""

import time
import uuid
from pathlib import Path

from longshore.requests import Submit, image, pull_info
from longshore.steps import request_id
from longshore.v1 import image_pb2, job_options_pb2, job_service_pb2


def test_an_image_is_a_path_a_pair_or_a_reference() -> None:
    reference = image_pb2.ImageRef(uri="/a", format="raw")
    assert image("/a").format == "qcow2"
    assert image(Path("/a")).uri == "/a"
    assert image(("/a", "raw")) == reference
    assert image(reference) is reference


def test_a_pull_of_the_whole_chain_has_no_base() -> None:
    spec = pull_info("/top", None, [("/base", "raw")]).block.pull.spec
    assert not spec.HasField("base")
    assert spec.backing_chain[0].format == "raw"


def test_a_submit_says_how_the_job_is_run() -> None:
    submit = Submit(
        job_id="j",
        options=job_options_pb2.JobOptions(priority=2),
        labels={"vm": "web"},
        on_conflict=job_service_pb2.ON_CONFLICT_QUEUE,
        after=("i",),
    )
    request = submit.request(pull_info("/top", None, ()))
    assert request.job_id == "j"
    assert request.options.priority == 2
    assert dict(request.labels) == {"vm": "web"}
    assert list(request.after) == ["i"]
    assert request.on_conflict == job_service_pb2.ON_CONFLICT_QUEUE


def test_request_ids_are_of_version_7_and_carry_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(request_id())
    after = time.time_ns() // 1_000_000
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= after


def test_request_ids_never_meet() -> None:
    assert len({request_id() for _ in range(10_000)}) == 10_000
