"""From errors to statuses: every kind, every budget."""

import pytest
from google.rpc import error_details_pb2, status_pb2

from longshore.v1 import error_reason_pb2
from longshored.errors import Kind, ServiceError, Violation, field_invalid
from longshored.job.model import Failure
from longshored.service import status


def info_of(answer: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert answer.details[0].Unpack(info)
    return info


def kinds_of(answer: status_pb2.Status) -> list[str]:
    return [detail.type_url.rpartition(".")[2] for detail in answer.details]


def test_every_kind_has_a_code() -> None:
    assert set(status.CODES) == set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_every_reason_is_in_the_contract_and_in_our_domain(kind: Kind) -> None:
    info = info_of(status.of_error(ServiceError(kind, "Text", job_id="a")))
    assert info.domain == "jobs.longshore"
    assert error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{info.reason}") > 0


@pytest.mark.parametrize("kind", Kind)
def test_each_type_of_detail_comes_once(kind: Kind) -> None:
    found = kinds_of(status.of_error(ServiceError(kind, "Text", job_id="a")))
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("kind", "detail"),
    [
        (Kind.FIELD_INVALID, "BadRequest"),
        (Kind.JOB_NOT_FOUND, "ResourceInfo"),
        (Kind.TARGET_NOT_FOUND, "ResourceInfo"),
        (Kind.JOB_ID_TAKEN, "ResourceInfo"),
        (Kind.ACTION_NOT_ALLOWED, "PreconditionFailure"),
        (Kind.TARGET_BUSY, "PreconditionFailure"),
        (Kind.TARGET_WRONG_STATE, "PreconditionFailure"),
        (Kind.JOB_LIMIT, "QuotaFailure"),
        (Kind.WATCH_LIMIT, "QuotaFailure"),
        (Kind.RATE_LIMIT, "QuotaFailure"),
        (Kind.SERVER_STOPPING, "RetryInfo"),
        (Kind.STORE_UNAVAILABLE, "RetryInfo"),
    ],
)
def test_a_kind_has_the_detail_of_the_catalogue(kind: Kind, detail: str) -> None:
    assert detail in kinds_of(status.of_error(ServiceError(kind, "Text")))


def test_facts_become_metadata_in_camel_case() -> None:
    error = ServiceError(Kind.TARGET_BUSY, "Text", blocking_job_id="a", pid=7)
    assert dict(info_of(status.of_error(error)).metadata) == {
        "blockingJobId": "a",
        "pid": "7",
    }


def test_every_violation_is_named() -> None:
    error = field_invalid("a.b", "Wrong")
    bad = error_details_pb2.BadRequest()
    assert status.of_error(error).details[1].Unpack(bad)
    assert [(one.field, one.description) for one in bad.field_violations] == [
        ("a.b", "Wrong")
    ]


def test_too_many_violations_are_counted() -> None:
    error = field_invalid("f0", "Wrong")
    error.violations = tuple(Violation(f"f{n}", "Wrong") for n in range(20))
    bad = error_details_pb2.BadRequest()
    assert status.of_error(error).details[1].Unpack(bad)
    assert len(bad.field_violations) == 17
    assert bad.field_violations[-1].description == "… and 4 more"


HUGE: dict[str, str | int] = {f"key_{n}": "ä" * 5000 for n in range(40)}


@pytest.mark.parametrize("kind", Kind)
def test_a_status_keeps_its_budget_whatever_is_in_the_error(kind: Kind) -> None:
    error = ServiceError(kind, "Ж" * 5000)
    error.facts = HUGE
    error.violations = tuple(Violation("f" * 500, "ü" * 500) for _ in range(50))
    answer = status.of_error(error)
    assert answer.ByteSize() <= status.LARGEST_STATUS
    assert len(answer.message.encode()) <= status.LARGEST_MESSAGE
    assert set(info_of(answer).metadata) == {f"key{n}" for n in range(40)}, (
        "keys never disappear"
    )


def test_text_that_is_no_unicode_is_shown_with_escapes() -> None:
    error = ServiceError(Kind.TARGET_NOT_FOUND, "No \udcff", target="/\udcff")
    answer = status.of_error(error)
    assert answer.message == "No \\udcff"
    assert info_of(answer).metadata["target"] == "/\\udcff"


def test_a_failed_job_tells_its_reason_and_asks_for_no_retry() -> None:
    answer = status.of_failure(Failure(Kind.BACKEND_LOST, "Gone", {"backend": "x"}))
    assert info_of(answer).reason == "BACKEND_LOST"
    assert kinds_of(answer) == ["ErrorInfo"]


def test_a_bug_tells_only_where_to_look() -> None:
    answer = status.of_bug("abc-1")
    found = error_details_pb2.RequestInfo()
    assert answer.details[1].Unpack(found)
    assert found.request_id == "abc-1"
    assert info_of(answer).reason == "INTERNAL"


@pytest.mark.parametrize(
    ("kind", "key"),
    [(Kind.TARGET_BUSY, "target"), (Kind.PERMISSION_DENIED, "resource")],
)
def test_a_file_is_named_once_by_the_word_of_the_catalogue(
    kind: Kind, key: str
) -> None:
    answer = status.of_error(ServiceError(kind, "No", uri="/images/top"))
    assert dict(info_of(answer).metadata) == {key: "/images/top"}
