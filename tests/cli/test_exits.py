"""Every exit code, and errors: one line that says what to do, never a traceback."""

import subprocess

import pytest
from google.rpc import error_details_pb2

from longshore.cli.exits import Exit
from longshore.cli.failures import unreachable
from longshore.v1 import job_pb2
from tests.cli.conftest import Cli
from tests.support.fakeserver import FakeServer
from tests.support.refusals import Code, Refusal
from tests.support.shell import PROGRAM, Done, run, spawn


def refused(server: FakeServer, cli: Cli, refusal: Refusal) -> Done:
    server.fail("PauseJob", *[refusal] * 4)
    return cli("pause", "0" * 8 + "-0000-7000-8000-" + "0" * 12)


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        (Code.INVALID_ARGUMENT, "FIELD_INVALID", Exit.USAGE),
        (Code.NOT_FOUND, "JOB_NOT_FOUND", Exit.USAGE),
        (Code.NOT_FOUND, "TARGET_NOT_FOUND", Exit.USAGE),
        (Code.ALREADY_EXISTS, "JOB_ID_TAKEN", Exit.CONFLICT),
        (Code.ALREADY_EXISTS, "TARGET_EXISTS", Exit.CONFLICT),
        (Code.FAILED_PRECONDITION, "TARGET_BUSY", Exit.CONFLICT),
        (Code.FAILED_PRECONDITION, "ACTION_NOT_ALLOWED", Exit.CONFLICT),
        (Code.FAILED_PRECONDITION, "REQUEST_ID_REUSED", Exit.CONFLICT),
        (Code.FAILED_PRECONDITION, "IMAGE_INVALID", Exit.FAILED),
        (Code.FAILED_PRECONDITION, "IMAGE_UNSUPPORTED", Exit.FAILED),
        (Code.ABORTED, "REVISION_MISMATCH", Exit.CONFLICT),
        (Code.RESOURCE_EXHAUSTED, "NO_SPACE", Exit.FAILED),
        (Code.RESOURCE_EXHAUSTED, "JOB_LIMIT", Exit.FAILED),
        (Code.UNIMPLEMENTED, "JOB_TYPE_UNSUPPORTED", Exit.FAILED),
        (Code.UNAVAILABLE, "SERVER_STOPPING", Exit.UNREACHABLE),
        (Code.UNAUTHENTICATED, "CREDENTIALS_INVALID", Exit.NOT_ALLOWED),
        (Code.PERMISSION_DENIED, "PERMISSION_DENIED", Exit.NOT_ALLOWED),
        (Code.PERMISSION_DENIED, "", Exit.NOT_ALLOWED),
        (Code.INTERNAL, "INTERNAL", Exit.FAILED),
        (Code.DATA_LOSS, "IO_ERROR", Exit.FAILED),
        (Code.UNAVAILABLE, "", Exit.UNREACHABLE),
        (Code.FAILED_PRECONDITION, "NEW_REASON", Exit.CONFLICT),
    ],
)
def test_an_error_has_its_code_and_one_line(
    server: FakeServer, cli: Cli, code: Code, reason: str, expected: Exit
) -> None:
    shown = refused(server, cli, Refusal(code, reason, "No good"))
    assert shown.code == expected
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert line.startswith("error: ")
    assert "No good" in line
    assert f"[{reason}]" in line or not reason


def test_a_busy_image_leads_to_the_job_that_holds_it(
    server: FakeServer, cli: Cli
) -> None:
    busy = Refusal(
        Code.FAILED_PRECONDITION,
        "TARGET_BUSY",
        "top is in use",
        {"blockingJobId": "other"},
    )
    assert "see: longshore explain other" in refused(server, cli, busy).err


def test_what_the_message_does_not_say_is_said(server: FakeServer, cli: Cli) -> None:
    metadata = {"uri": "file:///srv/a%20b.qcow2", "errno": "2", "jobId": "a"}
    missing = Refusal(Code.NOT_FOUND, "TARGET_NOT_FOUND", "Job a: no file", metadata)
    shown = refused(server, cli, missing)
    said = "error: Job a: no file (uri=/srv/a b.qcow2) [TARGET_NOT_FOUND]\n"
    assert shown.err == said


def test_every_field_that_is_wrong_is_named(server: FakeServer, cli: Cli) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="job_id", description="too long")
    bad.field_violations.add(field="labels", description="too many")
    wrong = Refusal(Code.INVALID_ARGUMENT, "FIELD_INVALID", details=(bad,))
    shown = refused(server, cli, wrong)
    assert "JOB: too long; --label: too many" in shown.err


def test_a_bug_of_the_daemon_is_told_with_its_id(server: FakeServer, cli: Cli) -> None:
    found = error_details_pb2.RequestInfo(request_id="r-77")
    bug = Refusal(Code.INTERNAL, "INTERNAL", "It failed", details=(found,))
    assert "r-77" in refused(server, cli, bug).err


def test_a_server_that_is_no_longshored_is_suspected(
    server: FakeServer, cli: Cli
) -> None:
    foreign = Refusal(Code.UNIMPLEMENTED, message="Method not found!")
    assert "is this a longshored" in refused(server, cli, foreign).err


def test_a_daemon_that_is_not_there_is_told_with_what_to_do() -> None:
    shown = run("-s", "unix:/nowhere/d.sock", "list")
    assert shown.code == Exit.UNREACHABLE
    (line,) = shown.err.splitlines()
    assert "unix:/nowhere/d.sock: No such file or directory" in line
    assert "LONGSHORE_ADDRESS" in line


def test_the_environment_names_the_daemon(server: FakeServer) -> None:
    server.put("a")
    shown = spawn("list", "-q", env={"LONGSHORE_ADDRESS": server.address})
    assert (shown.code, shown.out) == (Exit.DONE, "a\n")


def test_a_full_disk_is_no_wrong_word(server: FakeServer) -> None:
    server.put("a")
    program = " ".join([*PROGRAM, "-s", server.address, "list", ">", "/dev/full"])
    done = subprocess.run(
        ["bash", "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == Exit.FAILED
    assert done.stderr == "error: stdout cannot be written: No space left on device\n"


def test_a_file_that_is_not_there_is_told_with_its_option() -> None:
    shown = run("-s", "host:1", "--tls-ca", "nope.pem", "list")
    assert shown.code == Exit.USAGE
    assert shown.err == "error: --tls-ca nope.pem: No such file or directory\n"


def test_a_file_of_the_environment_is_told_with_its_variable(
    server: FakeServer,
) -> None:
    env = {"LONGSHORE_TOKEN_FILE": "/nope"}
    shown = spawn("-s", server.address, "list", env=env)
    assert shown.err == "error: LONGSHORE_TOKEN_FILE /nope: No such file or directory\n"


def test_a_socket_that_is_not_for_us_is_told_from_one_that_is_not_there() -> None:
    said = (
        "failed to connect to all addresses; last error: UNKNOWN: unix:/run/l.sock: "
        "connect: Failed to connect to remote host: Permission denied"
    )
    shown, code = unreachable(said)
    assert code == Exit.NOT_ALLOWED
    assert "this user may not use the socket unix:/run/l.sock" in shown
    shown, code = unreachable(said.replace("Permission", "Per"))
    assert code == Exit.UNREACHABLE
    assert "is longshored running" in shown


def test_an_address_that_is_none_is_told() -> None:
    shown = run("-s", "nonsense", "list")
    assert shown.code == Exit.USAGE
    assert "unix:PATH or HOST:PORT" in shown.err


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("SUCCEEDED", Exit.DONE),
        ("FAILED", Exit.FAILED),
        ("CANCELLED", Exit.CANCELLED),
    ],
)
@pytest.mark.parametrize("command", ["wait", "watch"])
def test_a_job_that_was_waited_for_decides(
    server: FakeServer, cli: Cli, command: str, state: str, expected: Exit
) -> None:
    server.put("a", state)
    assert cli(command, "a").code == expected


@pytest.mark.parametrize("command", ["get", "explain", "wait", "watch"])
def test_a_job_that_failed_is_told_with_its_facts(
    server: FakeServer, cli: Cli, command: str
) -> None:
    metadata = {
        "uri": "file:///srv/a%20b.raw",
        "offset": "65536",
        "error": "EIO",
        "errno": "5",
        "operation": "read",
    }
    broken = Refusal(Code.DATA_LOSS, "IO_ERROR", "Cannot read: I/O error", metadata)
    server.put("a", "FAILED", error=broken.status())
    shown = cli(command, "a")
    said = (
        "Cannot read: I/O error (error=EIO, offset=65536, uri=/srv/a b.raw) [IO_ERROR]"
    )
    assert said in shown.out + shown.err


def test_success_with_warnings_has_a_code_of_its_own(
    server: FakeServer, cli: Cli
) -> None:
    warning = job_pb2.JobWarning(message="the disk is slow")
    server.put("a", "SUCCEEDED", warnings=[warning])
    shown = cli("wait", "a")
    assert shown.code == Exit.WARNINGS
    assert "warning: the disk is slow" in shown.err


def test_a_wait_that_was_too_long_says_that_the_job_goes_on(
    server: FakeServer, cli: Cli
) -> None:
    server.put("a")
    shown = cli("wait", "a", "--timeout", "50ms")
    assert shown.code == Exit.TIMEOUT
    assert "the job goes on: longshore wait a" in shown.err
    assert server.called("CancelJob") == []


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("pull",),
        ("pull", "/a", "--rate", "50Mb"),
        ("pull", "/a", "--rate", "0"),
        ("pull", "/a", "--timeout", "soon"),
        ("pull", "/a", "--wait", "--detach"),
        ("pull", "/a", "-l", "novalue"),
        ("pull", "/a", "--link", "vmdk:/x"),
        ("pull", "/a", "--iops", "-1"),
        ("pull", "/a", "--iops", "99999999999999999999"),
        ("pull", "/a", "--priority", "99999999999999999999"),
        ("pull", "/a", "--not-before", "soon"),
        ("pull", "/a", "--not-before", "2026-01-01T00:00:00"),
        ("pull", "/a", "--timeout", "3s"),
        ("pull", ""),
        ("create-image", "/a", "--size", "1.5"),
        ("create-image", "/a"),
        ("list", "--state", "nonsense"),
        ("list", "--columns", "nonsense"),
        ("list", "-n", "-1"),
        ("watch", "--since", "nonsense"),
        ("watch", "--since", "h:99999999999999999999"),
        ("set", "a", "rate"),
        ("set", "a", "nonsense=1"),
        ("set", "a", "rate=fast"),
        ("set", "a", "iops=many"),
        ("set", "a", "on-error=panic"),
        ("set", "a", "window=always"),
        ("pull", "/a", "--window", "always"),
        ("set", "a", "priority=99999999999999999999"),
        ("set", "a", "auto-finalize=maybe"),
        ("-o", "xml", "list"),
    ],
)
def test_a_wrong_word_is_a_usage_error(
    server: FakeServer, cli: Cli, words: tuple[str, ...]
) -> None:
    shown = cli(*words)
    assert shown.code == Exit.USAGE
    assert shown.err.startswith("error: ")
    assert "Traceback" not in shown.err
    assert server.called("CreateJob") == server.called("UpdateJob") == []


def test_a_bug_of_this_program_is_one_line_too(server: FakeServer, cli: Cli) -> None:
    class Bug(Exception):
        pass

    from longshore.cli.main import explain

    message, code = explain(Bug("two\nlines"))
    assert code == Exit.FAILED
    assert message.splitlines() == [message]
    assert "Bug: two" in message
