"""Bad input at the wire: the error names the field and the value, and nobody falls."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from longshore import Client
from longshore.errors import LongshoreError, ServiceError, from_call
from longshore.requests import Submit, pull_info
from longshore.v1 import (
    block_pb2,
    image_pb2,
    image_service_pb2,
    job_info_pb2,
    job_options_pb2,
    job_pb2,
    job_service_pb2,
    watch_pb2,
)
from longshored.units import MiB
from tests.faults.calls import SLOWEST_SECONDS
from tests.faults.oddities import Oddity, inner_of, oddities
from tests.faults.process import serving

pytestmark = pytest.mark.slow

CALL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Counter:
    """A daemon with one image; the jobs on it wait for a time far away."""

    client: Client
    top: str

    def new_job(self) -> job_pb2.Job:
        later = job_options_pb2.JobOptions()
        later.earliest_start_time.FromSeconds(1 << 32)
        queue = job_service_pb2.ON_CONFLICT_QUEUE
        submit = Submit(options=later, on_conflict=queue)
        return self.client.create(self.info(), submit).get()

    def refused(self, method: str, request: Message) -> ServiceError:
        error = self.ask(method, request)
        assert isinstance(error, ServiceError), error
        return error

    def ask(self, method: str, request: Message) -> LongshoreError | None:
        """The error of a call, None if it was taken; never late, never a bug."""
        service = SERVICES.get(method, "JobService")
        call = getattr(self.client.stub(service), method)
        began = time.monotonic()
        try:
            answer = call(request, timeout=CALL_SECONDS)
            if method == "WatchJobs":
                next(iter(answer))
                answer.cancel()
        except grpc.RpcError as error:
            return from_call(error)
        finally:
            assert time.monotonic() - began < SLOWEST_SECONDS
        return None

    def info(self) -> job_info_pb2.JobInfo:
        return pull_info((self.top, "qcow2"), None, ())


SERVICES = dict.fromkeys(("GetImage", "MapImage", "CreateImage"), "ImageService")


@pytest.fixture(scope="module")
def counter() -> Iterator[Counter]:
    with (
        TemporaryDirectory(prefix="ls-") as directory,
        serving(Path(directory)) as daemon,
        daemon.client() as client,
    ):
        top = str(daemon.place.images / "top.qcow2")
        new = image_pb2.ImageRef(uri=top, format="qcow2")
        client.create_image(
            image_service_pb2.CreateImageRequest(image=new, virtual_size_bytes=MiB)
        )
        made = Counter(client, top)
        kept = made.new_job()
        yield made
        assert daemon.is_alive
        assert client.job(kept.job_id).get().job_id == kept.job_id


def verb(method: str, job_id: str, **fields: Any) -> Any:
    """The request of a verb; of UpdateJob one that changes the priority."""
    if method == "UpdateJob":
        fields.setdefault("options", job_options_pb2.JobOptions(priority=1))
    return getattr(job_service_pb2, f"{method}Request")(job_id=job_id, **fields)


def base_request(counter: Counter, method: str) -> Message:
    """A request that would be good, and changes nothing."""
    ref = image_pb2.ImageRef(uri=counter.top, format="qcow2")
    create = job_service_pb2.CreateJobRequest(info=counter.info(), validate_only=True)
    create.on_conflict = job_service_pb2.ON_CONFLICT_QUEUE
    match method:
        case "CreateJob":
            return create
        case "PlanJob":
            return job_service_pb2.PlanJobRequest(request=create)
        case "CreateJobGroup":
            members = [job_service_pb2.JobGroupMember(info=counter.info())]
            return job_service_pb2.CreateJobGroupRequest(
                members=members, validate_only=True
            )
        case "GetImage":
            return image_service_pb2.GetImageRequest(image=ref)
        case "MapImage":
            return image_service_pb2.MapImageRequest(image=ref)
        case "CreateImage":
            # The name is taken, so that no try makes anything.
            return image_service_pb2.CreateImageRequest(
                image=ref, virtual_size_bytes=MiB
            )
        case "ListJobs":
            return job_service_pb2.ListJobsRequest()
        case "WatchJobs":
            return watch_pb2.WatchJobsRequest()
        case _:
            request = verb(method, counter.new_job().job_id)
            if method == "WaitJob":
                request.timeout.SetInParent()
            assert isinstance(request, Message)
            return request


METHODS = (
    "CreateJob",
    "PlanJob",
    "CreateJobGroup",
    "GetImage",
    "MapImage",
    "CreateImage",
    "ListJobs",
    "WatchJobs",
    "WaitJob",
    "UpdateJob",
    "PauseJob",
    "ResumeJob",
    "CancelJob",
    "CompleteJob",
    "FinalizeJob",
    "DismissJob",
)

# Numbers below zero that mean something.
MAY_BE_NEGATIVE = frozenset({"priority"})
# Refused as a whole: the kinds and options of drivers that are not there.
WHOLE = ("domain", "storage", "network", "commit", "mirror", "backup", "rebase")


def kind_of(method: str) -> Any:
    module = watch_pb2 if method == "WatchJobs" else job_service_pb2
    if method in SERVICES:
        module = image_service_pb2
    return getattr(module, f"{method}Request").DESCRIPTOR


@pytest.mark.parametrize("method", METHODS)
def test_no_number_and_no_choice_gets_past_unnoticed(
    counter: Counter, method: str
) -> None:
    tried = [one for one in oddities(kind_of(method)) if is_served(one)]
    wrong = []
    for oddity in tried:
        request = base_request(counter, method)
        oddity.put_into(request)
        wrong += judged(oddity, counter.ask(method, request))
    assert wrong == []
    assert len(tried) >= 2 or method in ("GetImage",)


def is_served(oddity: Oddity) -> bool:
    return not any(name.startswith(WHOLE) for name in oddity.path)


def judged(oddity: Oddity, error: LongshoreError | None) -> list[str]:
    if error is None:
        is_bad = oddity.is_negative and oddity.field not in MAY_BE_NEGATIVE
        return [f"{oddity} was taken"] if is_bad else []
    if not isinstance(error, ServiceError) or error.reason in ("", "INTERNAL"):
        return [f"{oddity}: {error!r}"]
    if error.reason == "FIELD_INVALID":
        named = {
            part for one in error.field_violations for part in one.field.split(".")
        }
        names = {name.partition("[")[0] for name in named}
        if not names & set(oddity.path):
            return [f"{oddity}: the error names {sorted(names)}"]
    return []


VERBS = (
    "GetJob",
    "WaitJob",
    "UpdateJob",
    "PauseJob",
    "ResumeJob",
    "CancelJob",
    "CompleteJob",
    "FinalizeJob",
    "DismissJob",
)


@pytest.mark.parametrize("method", VERBS)
def test_an_unknown_job_is_named_by_every_verb(counter: Counter, method: str) -> None:
    error = counter.refused(method, verb(method, "nobody"))
    assert error.reason == "JOB_NOT_FOUND"
    assert error.metadata["jobId"] == "nobody"


BAD_IDS = ("", "-", "a-", "A", "a b", "ä", "a/b", "..", "x" * 64, "\n", "a\n", "\0")


@pytest.mark.parametrize("method", VERBS)
def test_a_name_that_no_job_can_have_is_refused(counter: Counter, method: str) -> None:
    for name in BAD_IDS:
        error = counter.refused(method, verb(method, name))
        assert error.reason == "FIELD_INVALID"
        assert error.metadata["firstField"] == "job_id"


@pytest.mark.parametrize("method", ["FinalizeJob", "DismissJob"])
def test_a_verb_that_does_not_fit_names_those_that_do(
    counter: Counter, method: str
) -> None:
    error = counter.refused(method, verb(method, counter.new_job().job_id))
    assert error.reason == "ACTION_NOT_ALLOWED"
    assert "CANCEL" in error.metadata["allowedActions"].upper()
    assert error.metadata["state"]


def test_a_verb_that_no_pull_knows_is_unimplemented(counter: Counter) -> None:
    request = verb("CompleteJob", counter.new_job().job_id)
    assert counter.refused("CompleteJob", request).reason == "ACTION_UNSUPPORTED"


@pytest.mark.parametrize("method", ["PauseJob", "UpdateJob", "CancelJob"])
def test_a_stale_revision_tells_both_numbers(counter: Counter, method: str) -> None:
    job = counter.new_job()
    request = verb(method, job.job_id, expected_revision=job.revision + 1000)
    error = counter.refused(method, request)
    assert error.reason == "REVISION_MISMATCH"
    assert error.metadata["expected"] == str(job.revision + 1000)
    assert error.metadata["actual"] == str(job.revision)


def tokens(counter: Counter) -> dict[str, str]:
    """Page tokens that must not be taken for a list of everything."""
    stub = counter.client.stub()
    for _ in range(3):
        counter.new_job()
    selector = watch_pb2.JobSelector(job_types=["block.pull"])
    chosen = job_service_pb2.ListJobsRequest(page_size=1, selector=selector)
    other = stub.ListJobs(chosen, timeout=CALL_SECONDS).next_page_token
    plain = job_service_pb2.ListJobsRequest(page_size=1)
    good = stub.ListJobs(plain, timeout=CALL_SECONDS).next_page_token
    assert other
    assert good
    flipped = ("A" if good[9] != "A" else "B").join((good[:9], good[10:]))
    return {
        "of another selector": other,
        "cut": good[:-1],
        "cut short": good[:4],
        "longer": good + "A",
        "flipped": flipped,
        "a number": "1",
        "no base64": "!!",
        "no text": "\0",
        "unicode": "ü" * 10,
        "huge": "A" * 100_000,
    }


def test_a_page_token_that_is_not_ours_is_refused(counter: Counter) -> None:
    for name, token in tokens(counter).items():
        request = job_service_pb2.ListJobsRequest(page_size=1, page_token=token)
        assert counter.refused("ListJobs", request).reason == "PAGE_TOKEN_INVALID", name


def test_a_spec_that_is_not_there_is_named(counter: Counter) -> None:
    block = block_pb2.BlockJobInfo()
    infos = (
        job_info_pb2.JobInfo(),
        job_info_pb2.JobInfo(block=block),
        job_info_pb2.JobInfo(
            block=block_pb2.BlockJobInfo(pull=block_pb2.BlockPullJob())
        ),
    )
    for info in infos:
        request = job_service_pb2.CreateJobRequest(info=info)
        error = counter.refused("CreateJob", request)
        assert error.reason == "FIELD_INVALID"
        assert error.metadata["firstField"].startswith("info")


def unserved() -> Iterator[tuple[str, str]]:
    for subsystem in job_info_pb2.JobInfo.DESCRIPTOR.fields:
        for kind in inner_of(subsystem).fields:
            if (subsystem.name, kind.name) != ("block", "pull"):
                yield subsystem.name, kind.name


@pytest.mark.parametrize(("subsystem", "kind"), list(unserved()))
def test_a_kind_without_a_driver_is_unimplemented(
    counter: Counter, subsystem: str, kind: str
) -> None:
    request = job_service_pb2.CreateJobRequest()
    getattr(getattr(request.info, subsystem), kind).spec.SetInParent()
    error = counter.refused("CreateJob", request)
    assert error.reason == "JOB_TYPE_UNSUPPORTED"
    assert error.metadata["jobType"] == f"{subsystem}.{kind}"


def with_labels(counter: Counter, labels: dict[str, str]) -> Message:
    return job_service_pb2.CreateJobRequest(
        info=counter.info(), labels=labels, validate_only=True
    )


def test_labels_over_their_caps_are_refused(counter: Counter) -> None:
    for labels in (
        {f"k{number}": "v" for number in range(33)},
        {"": "v"},
        {"k" * 64: "v"},
        {"k": "v" * 256},
        {"k": "\n"},
        {"k\0": "v"},
        {"ü" * 32: "v"},
    ):
        error = counter.refused("CreateJob", with_labels(counter, labels))
        assert error.reason == "FIELD_INVALID", labels
        assert error.metadata["firstField"].startswith("labels")


def test_lists_and_texts_over_their_caps_are_refused(counter: Counter) -> None:
    create = partial(
        job_service_pb2.CreateJobRequest, info=counter.info(), validate_only=True
    )
    chain = [image_pb2.ImageRef(uri=counter.top, format="qcow2")] * 1000
    deep = pull_info((counter.top, "qcow2"), None, chain)
    members = [job_service_pb2.JobGroupMember(info=counter.info())] * 200
    zone = job_options_pb2.TimeWindow(duration_minutes=5, time_zone="../../etc/passwd")
    cases: dict[str, tuple[str, Message]] = {
        "after": ("CreateJob", create(after=["a"] * 100)),
        "request_id": ("CreateJob", create(request_id="no uuid")),
        "info": ("CreateJob", job_service_pb2.CreateJobRequest(info=deep)),
        "members": (
            "CreateJobGroup",
            job_service_pb2.CreateJobGroupRequest(members=members),
        ),
        "comment": (
            "PauseJob",
            verb("PauseJob", "nobody", comment="c" * 2000),
        ),
        "options": (
            "CreateJob",
            create(options=job_options_pb2.JobOptions(windows=[zone])),
        ),
    }
    for field, (method, request) in cases.items():
        error = counter.refused(method, request)
        assert error.reason == "FIELD_INVALID", field
        assert error.metadata["firstField"].startswith(field), error.metadata


def test_a_huge_message_is_refused_and_the_daemon_answers_on(counter: Counter) -> None:
    request = job_service_pb2.CreateJobRequest(request_id="x" * (8 * MiB))
    with pytest.raises(grpc.RpcError) as caught:
        counter.client.stub().CreateJob(request, timeout=CALL_SECONDS)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert counter.client.capabilities().version


def test_bytes_that_are_no_message_are_refused(counter: Counter) -> None:
    with grpc.insecure_channel(counter.client.address) as channel:
        for data in (b"\xff" * 100, b"\x0a\xff\xff\xff\xff\x0f", b"\x12" * 5000):
            call: Any = channel.unary_unary("/longshore.v1.JobService/CreateJob")
            with pytest.raises(grpc.RpcError):
                call(data, timeout=CALL_SECONDS)
    assert counter.client.capabilities().version


def test_a_cursor_of_the_future_or_of_another_store_is_refused(
    counter: Counter,
) -> None:
    history = counter.client.capabilities().history_id
    for cursor, reason in (
        (watch_pb2.Cursor(history_id=history, revision=1 << 62), "REVISION_IN_FUTURE"),
        (watch_pb2.Cursor(history_id="0" * 32, revision=1), "HISTORY_CHANGED"),
    ):
        request = watch_pb2.WatchJobsRequest(resume_after=cursor)
        assert counter.refused("WatchJobs", request).reason == reason


@pytest.mark.parametrize(
    "path", ["nonsense", "job_id", "", "*", "priority.x", "../priority", "windows[0]"]
)
def test_a_mask_that_names_no_option_is_refused(counter: Counter, path: str) -> None:
    request = verb("UpdateJob", counter.new_job().job_id)
    request.update_mask.paths.append(path)
    error = counter.refused("UpdateJob", request)
    assert error.reason == "FIELD_INVALID"
    assert error.metadata["firstField"].startswith("update_mask")
