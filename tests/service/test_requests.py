"""Bad input: every wrong field is named with its value, nothing is made."""

import grpc
import pytest
from google.protobuf import field_mask_pb2
from google.rpc import error_details_pb2

from longshore.v1 import job_options_pb2, job_pb2, watch_pb2
from longshore.v1 import job_service_pb2 as pb
from tests.support.calls import create, pull, refusal, seconds
from tests.support.daemon import Stubs

MOST = (1 << 63) - 1
LEAST = -(1 << 63)

Options = job_options_pb2.JobOptions


def job(**options: object) -> pb.CreateJobRequest:
    return pull(options=Options(**options))  # type: ignore[arg-type]  # wrong on purpose


def unset_leaf() -> pb.CreateJobRequest:
    request = pb.CreateJobRequest()
    request.info.block.SetInParent()
    return request


def unset_spec() -> pb.CreateJobRequest:
    request = pb.CreateJobRequest()
    request.info.block.pull.SetInParent()
    return request


def wrong_format() -> pb.CreateJobRequest:
    request = pull()
    request.info.block.pull.spec.top.format = "vmdk"
    return request


def too_long_chain() -> pb.CreateJobRequest:
    request = pull()
    for _ in range(201):
        request.info.block.pull.spec.backing_chain.add(uri="/x", format="raw")
    return request


def window(**fields: int | str) -> pb.CreateJobRequest:
    chosen = job_options_pb2.TimeWindow(**{"duration_minutes": 60, **fields})  # type: ignore[arg-type]  # wrong on purpose
    return job(windows=[chosen])


def policy(**fields: object) -> pb.CreateJobRequest:
    return job(source_error_policy=job_options_pb2.ErrorPolicy(**fields))  # type: ignore[arg-type]  # wrong on purpose


RETRY = job_options_pb2.ERROR_ACTION_RETRY

WRONG = [
    (pb.CreateJobRequest(), "info", ""),
    (unset_leaf(), "info.block", ""),
    (unset_spec(), "info.block.pull.spec", ""),
    (wrong_format(), "info.block.pull.spec.top.format", "vmdk"),
    (too_long_chain(), "info.block.pull.spec.backing_chain", "201"),
    (pull(job_id="Upper"), "job_id", "Upper"),
    (pull(job_id="a" * 64), "job_id", "aaaa"),
    (pull(job_id="-a"), "job_id", "-a"),
    (pull(job_id="a\n"), "job_id", "a\\n"),
    (pull(request_id="no-uuid"), "request_id", "no-uuid"),
    (pull(on_conflict=9), "on_conflict", "9"),
    (pull(labels={"": "v"}), "labels", ""),
    (pull(labels={"k" * 64: "v"}), "labels", "kkkk"),
    (pull(labels={"k": "v" * 256}), "labels['k']", "255"),
    (pull(labels={"k": "a\nb"}), "labels['k']", "control"),
    (pull(labels={f"k{n}": "v" for n in range(33)}), "labels", "33"),
    (pull(after=["NO"]), "after[0]", "NO"),
    (pull(after=[f"a{n}" for n in range(33)]), "after", "33"),
    (job(speed_bytes_per_second=0), "options.speed_bytes_per_second", "0"),
    (job(speed_bytes_per_second=-1), "options.speed_bytes_per_second", "-1"),
    (job(speed_bytes_per_second=LEAST), "options.speed_bytes_per_second", str(LEAST)),
    (job(iops=-5), "options.iops", "-5"),
    (job(burst_bytes=1), "options.burst_bytes", "speed_bytes_per_second"),
    (job(burst_operations=1), "options.burst_operations", "iops"),
    (job(priority=1001), "options.priority", "1001"),
    (job(priority=-(1 << 31)), "options.priority", str(-(1 << 31))),
    (job(auto_dismiss_delay=seconds(-1)), "options.auto_dismiss_delay", "-1"),
    (window(start_minute=1440), "options.windows[0].start_minute", "1440"),
    (window(duration_minutes=0), "options.windows[0].duration_minutes", "0"),
    (window(time_zone="Mars/Base"), "options.windows[0].time_zone", "Mars/Base"),
    (window(time_zone="../../etc"), "options.windows[0].time_zone", "etc"),
    (policy(retry_count=1), "options.source_error_policy.retry_count", "RETRY"),
    (
        policy(action=RETRY, retry_count=101),
        "options.source_error_policy.retry_count",
        "101",
    ),
    (policy(action=77), "options.source_error_policy.action", "77"),
]


@pytest.mark.parametrize(("request_", "field", "value"), WRONG, ids=range(len(WRONG)))
def test_a_wrong_field_is_named_with_its_value(
    stubs: Stubs, request_: pb.CreateJobRequest, field: str, value: str
) -> None:
    told = refusal(lambda: stubs.jobs.CreateJob(request_))
    bad = told.detail(error_details_pb2.BadRequest).field_violations[0]
    assert told.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told.reason == "FIELD_INVALID"
    assert told.info.metadata["firstField"] == field
    assert bad.field == field
    assert value in bad.description
    assert not stubs.jobs.ListJobs(pb.ListJobsRequest()).jobs


def test_the_largest_number_is_a_legal_limit(stubs: Stubs) -> None:
    request = job(speed_bytes_per_second=MOST, iops=MOST)
    made = stubs.jobs.CreateJob(request).job
    assert made.options.speed_bytes_per_second == MOST


def test_2_to_the_63_does_not_fit_the_wire() -> None:
    with pytest.raises(ValueError, match="range"):
        Options(speed_bytes_per_second=1 << 63)


def test_output_only_fields_of_a_request_are_not_looked_at(stubs: Stubs) -> None:
    request = pull(job_id="a")
    request.info.block.pull.result.copied_bytes = 99
    request.info.block.pull.status.published_bytes = 99
    made = stubs.jobs.CreateJob(request).job
    assert not made.info.block.pull.HasField("result")
    assert made.info.block.pull.status.published_bytes != 99


def test_a_kind_that_is_not_served_is_named(stubs: Stubs) -> None:
    request = pb.CreateJobRequest()
    request.info.storage.wipe.spec.SetInParent()
    told = refusal(lambda: stubs.jobs.CreateJob(request))
    assert told.code is grpc.StatusCode.UNIMPLEMENTED
    assert told.reason == "JOB_TYPE_UNSUPPORTED"
    assert told.info.metadata["jobType"] == "storage.wipe"


def test_a_kind_of_a_newer_contract_is_refused_as_unsupported(stubs: Stubs) -> None:
    request = pb.CreateJobRequest()
    # Field 4000 of BlockJobInfo, a message: what a newer client would send.
    request.info.block.ParseFromString(b"\x82\xfa\x01\x00")
    told = refusal(lambda: stubs.jobs.CreateJob(request))
    assert told.reason == "JOB_TYPE_UNSUPPORTED"
    assert told.info.metadata["jobType"] == "block.#4000"


@pytest.mark.parametrize("verb", ["GetJob", "PauseJob", "CancelJob", "WaitJob"])
def test_an_unknown_job_is_named(stubs: Stubs, verb: str) -> None:
    request = getattr(pb, f"{verb}Request")(job_id="nobody")
    told = refusal(lambda: getattr(stubs.jobs, verb)(request))
    assert told.code is grpc.StatusCode.NOT_FOUND
    assert told.reason == "JOB_NOT_FOUND"
    assert told.info.metadata["jobId"] == "nobody"
    named = told.detail(error_details_pb2.ResourceInfo)
    assert named.resource_name == "nobody"


@pytest.mark.parametrize("verb", ["GetJob", "PauseJob", "DismissJob"])
def test_a_name_is_required(stubs: Stubs, verb: str) -> None:
    request = getattr(pb, f"{verb}Request")()
    told = refusal(lambda: getattr(stubs.jobs, verb)(request))
    assert told.info.metadata["firstField"] == "job_id"


def test_a_negative_revision_is_refused(stubs: Stubs) -> None:
    request = pb.PauseJobRequest(job_id="a", expected_revision=-4)
    told = refusal(lambda: stubs.jobs.PauseJob(request))
    assert told.info.metadata["firstField"] == "expected_revision"
    assert "-4" in told.message


def test_a_comment_has_a_limit(stubs: Stubs) -> None:
    create(stubs, job_id="a")
    request = pb.CancelJobRequest(job_id="a", comment="x" * 1025)
    told = refusal(lambda: stubs.jobs.CancelJob(request))
    assert told.info.metadata["firstField"] == "comment"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ListJobsRequest(page_size=-1), "page_size"),
        (pb.ListJobsRequest(states=[99]), "states"),  # type: ignore[list-item]  # wrong on purpose
        (
            pb.ListJobsRequest(selector=watch_pb2.JobSelector(job_ids=["x"] * 501)),
            "selector.job_ids",
        ),
        (
            pb.ListJobsRequest(selector=watch_pb2.JobSelector(job_types=[""])),
            "selector.job_types[0]",
        ),
    ],
    ids=["page size", "state", "too many names", "empty kind"],
)
def test_a_list_names_its_wrong_field(
    stubs: Stubs, request_: pb.ListJobsRequest, field: str
) -> None:
    told = refusal(lambda: stubs.jobs.ListJobs(request_))
    assert told.info.metadata["firstField"] == field


def test_a_bad_page_token_is_told(stubs: Stubs) -> None:
    told = refusal(lambda: stubs.jobs.ListJobs(pb.ListJobsRequest(page_token="x")))
    assert told.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told.reason == "PAGE_TOKEN_INVALID"


def test_a_page_token_with_another_selector_is_told(stubs: Stubs) -> None:
    for name in ("a", "b"):
        create(stubs, name, job_id=name)
    token = stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=1)).next_page_token
    request = pb.ListJobsRequest(page_token=token, states=[job_pb2.JOB_STATE_SUCCEEDED])
    told = refusal(lambda: stubs.jobs.ListJobs(request))
    assert told.reason == "PAGE_TOKEN_INVALID"


def test_an_update_names_a_path_that_is_no_option(stubs: Stubs) -> None:
    create(stubs, job_id="a")
    request = pb.UpdateJobRequest(
        job_id="a",
        options=Options(priority=1),
        update_mask=field_mask_pb2.FieldMask(paths=["speed"]),
    )
    told = refusal(lambda: stubs.jobs.UpdateJob(request))
    assert told.info.metadata["firstField"] == "update_mask"
    assert "speed" in told.message


def test_an_update_needs_options(stubs: Stubs) -> None:
    told = refusal(lambda: stubs.jobs.UpdateJob(pb.UpdateJobRequest(job_id="a")))
    assert told.info.metadata["firstField"] == "options"


def test_an_empty_group_is_refused(stubs: Stubs) -> None:
    told = refusal(lambda: stubs.jobs.CreateJobGroup(pb.CreateJobGroupRequest()))
    assert told.info.metadata["firstField"] == "members"


def test_a_wrong_member_of_a_group_is_named_and_nothing_is_made(stubs: Stubs) -> None:
    good = pb.JobGroupMember(job_id="a", info=pull("a").info)
    request = pb.CreateJobGroupRequest(members=[good, pb.JobGroupMember(job_id="b")])
    told = refusal(lambda: stubs.jobs.CreateJobGroup(request))
    assert told.info.metadata["firstField"] == "members[1].info"
    assert not stubs.jobs.ListJobs(pb.ListJobsRequest()).jobs


def test_a_request_over_the_size_limit_is_refused(stubs: Stubs) -> None:
    request = pull(labels={"k": "v" * (1 << 21)})
    told = refusal(lambda: stubs.jobs.CreateJob(request))
    assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED
