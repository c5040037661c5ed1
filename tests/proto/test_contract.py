"""What buf cannot check of the contract: words, units, caps, kinds and reasons."""

from collections import Counter

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from longshored.errors import Kind
from longshored.service.status import CODES
from tests.support.contract import PROTOS, Contract

KINDS = {
    "block": "pull commit mirror backup rebase compare checksum check",
    "storage": "allocate clone convert resize wipe upload download delete",
    "domain": "start save restore dump migrate pull commit copy backup",
    "network": "start stop define",
}

UNITS = ("_bytes", "_bytes_per_second", "_count", "_minute", "_minutes", "_bits")

# Numbers that count nothing with a unit.
PLAIN = {
    *("revision", "after_revision", "expected_revision", "oldest_revision"),
    *("number", "epoch", "attempt", "priority", "version", "pid", "runtime_id"),
    *("current", "total", "index", "count", "iops", "burst_operations"),
    *("depth", "current_depth", "current_pass", "queue_position", "error_number"),
    *("page_size", "default_page_size", "chain_length"),
}

# Enums that will never have another value.
CLOSED = {"Weekday"}

F = FieldDescriptorProto
WHOLE = {F.TYPE_INT32, F.TYPE_INT64}
UNSIGNED_OR_ODD = {
    *(F.TYPE_UINT32, F.TYPE_UINT64, F.TYPE_FIXED32, F.TYPE_FIXED64),
    *(F.TYPE_SFIXED32, F.TYPE_SFIXED64, F.TYPE_SINT32, F.TYPE_SINT64, F.TYPE_FLOAT),
}


def test_every_field_says_who_sets_it(contract: Contract) -> None:
    words = ("Required. ", "Optional. ", "Output only. ", "Immutable. ")
    silent = [it.name for it in contract.fields if not it.comment.startswith(words)]
    assert silent == []


def test_an_answer_holds_only_what_the_daemon_sets(
    contract: Contract,
) -> None:
    answers = [it for it in contract.fields if ".Status." in it.name]
    answers += [it for it in contract.fields if ".Result." in it.name]
    answers += [it for it in contract.fields if "Response." in it.name]
    wrong = [it.name for it in answers if not it.comment.startswith("Output only. ")]
    assert wrong == []


def test_a_spec_never_changes(contract: Contract) -> None:
    spec = [it for it in contract.fields if ".Spec." in it.name]
    assert [it.name for it in spec if " Immutable. " not in it.comment] == []


def test_messages_and_enums_are_described_by_name(contract: Contract) -> None:
    notes = {it.name: it.comment for it in contract.messages}
    notes |= {it.name: it.comment for it in contract.enums}
    for name, note in notes.items():
        assert note.startswith(name.rpartition(".")[2] + " "), name


def test_an_enum_says_that_it_may_grow(contract: Contract) -> None:
    closed = {it.name for it in contract.enums if "values may be" not in it.comment}
    assert closed == CLOSED


def test_lists_and_maps_of_a_request_have_a_cap(contract: Contract) -> None:
    given = contract.fields_given_by_clients()
    lists = [it for it in given if it.descriptor.label == F.LABEL_REPEATED]
    assert len(lists) > 20
    free = [it.name for it in lists if it.descriptor.type != F.TYPE_ENUM]
    capped = {it.name for it in lists if "t most" in it.comment}
    assert [name for name in free if name not in capped] == []


def test_numbers_are_signed(contract: Contract) -> None:
    wrong = [it for it in contract.fields if it.descriptor.type in UNSIGNED_OR_ODD]
    assert [it.name for it in wrong] == []


def test_only_a_rate_is_a_fraction(contract: Contract) -> None:
    fractions = [it for it in contract.fields if it.descriptor.type == F.TYPE_DOUBLE]
    assert [it.name for it in fractions] == ["JobProgress.rate_per_second"]


def test_a_number_has_its_unit_in_its_name(contract: Contract) -> None:
    numbers = [it for it in contract.fields if it.descriptor.type in WHOLE]
    names = {it.descriptor.name for it in numbers}
    assert {name for name in names - PLAIN if not name.endswith(UNITS)} == set()
    assert PLAIN - names == set()


def test_an_instant_is_named_as_a_time(contract: Contract) -> None:
    for it in contract.fields:
        if it.descriptor.type_name == ".google.protobuf.Timestamp":
            assert it.name.endswith("_time"), it.name


def test_every_call_has_its_own_request_and_answer(contract: Contract) -> None:
    used: Counter[str] = Counter()
    for it in contract.methods:
        call = it.descriptor
        assert call.input_type == f".longshore.v1.{call.name}Request"
        assert call.output_type == f".longshore.v1.{call.name}Response"
        used.update([call.input_type, call.output_type])
    assert set(used.values()) == {1}


def test_every_call_says_whether_it_may_be_repeated(contract: Contract) -> None:
    unsafe = {
        it.name
        for it in contract.methods
        if not it.descriptor.options.HasField("idempotency_level")
    }
    assert unsafe == {"CreateJob", "CreateJobGroup", "CreateImage"}


def test_the_services_have_all_their_calls(contract: Contract) -> None:
    assert {it.name for it in contract.methods} == {
        *("CreateJob", "GetJob", "ListJobs", "WatchJobs", "WaitJob", "UpdateJob"),
        *("PauseJob", "ResumeJob", "CancelJob", "CompleteJob", "FinalizeJob"),
        *("DismissJob", "PlanJob", "CreateJobGroup", "UpdateJobGroup"),
        *("GetImage", "MapImage", "CreateImage", "GetCapabilities"),
        *("GetRateLimits", "UpdateRateLimits"),
    }


def test_only_the_watch_is_a_stream(contract: Contract) -> None:
    streams = [it for it in contract.methods if it.descriptor.server_streaming]
    assert [it.name for it in streams] == ["WatchJobs"]
    assert not any(it.descriptor.client_streaming for it in contract.methods)


def test_every_kind_of_the_design_has_its_leaf(contract: Contract) -> None:
    for subsystem, kinds in KINDS.items():
        message = contract.message(f"{subsystem.capitalize()}JobInfo")
        assert [field.name for field in message.field] == kinds.split()


def test_every_leaf_is_named_by_its_slug(contract: Contract) -> None:
    for subsystem, kinds in KINDS.items():
        for kind in kinds.split():
            name = f"{subsystem.capitalize()}JobInfo.{kind}"
            note = next(it.comment for it in contract.fields if it.name == name)
            assert f'"{subsystem}.{kind}"' in note


def test_every_leaf_holds_spec_status_and_result(contract: Contract) -> None:
    for subsystem, kinds in KINDS.items():
        for kind in kinds.split():
            leaf = contract.message(f"{subsystem.capitalize()}{kind.capitalize()}Job")
            fields = [(field.name, field.number) for field in leaf.field]
            assert fields == [("spec", 1), ("status", 2), ("result", 3)]


def test_the_reasons_are_the_kinds_of_error(contract: Contract) -> None:
    reasons = [it for it in contract.values if it.name.startswith("ERROR_REASON_")]
    names = [it.name.removeprefix("ERROR_REASON_") for it in reasons]
    assert names == ["UNSPECIFIED", *(kind.name for kind in Kind)]


def test_a_reason_begins_with_the_code_it_is_sent_with(contract: Contract) -> None:
    notes = {it.name: it.comment for it in contract.values}
    for kind, code in CODES.items():
        note = notes[f"ERROR_REASON_{kind.name}"]
        assert note.startswith((f"{code.name}. ", f"{code.name}, ")), kind


def test_values_start_at_zero_without_gaps(contract: Contract) -> None:
    for it in contract.enums:
        numbers = [value.number for value in it.descriptor.value]
        assert numbers == list(range(len(numbers))), it.name


def test_no_type_that_cannot_grow_is_used(contract: Contract) -> None:
    imports = {name for file in contract.files for name in file.dependency}
    assert {name for name in imports if not name.startswith("longshore/v1/")} == {
        "google/protobuf/duration.proto",
        "google/protobuf/field_mask.proto",
        "google/protobuf/timestamp.proto",
        "google/rpc/status.proto",
    }


def test_no_file_uses_an_edition() -> None:
    assert [path.name for path in PROTOS if "\nsyntax = " not in path.read_text()] == []
    assert [path.name for path in PROTOS if "\nedition" in path.read_text()] == []
