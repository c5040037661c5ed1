"""The file of tokens: what it may say, who may read it, and what stays of it."""

import os
from pathlib import Path

import pytest

from longshored.clock import SECOND
from longshored.errors import Kind, ServiceError
from longshored.service.roles import Role
from longshored.service.secretfile import LARGEST, read_secret
from longshored.service.tokens import Digester, Tokens, parse_tokens
from tests.support.certificates import write

SECRET = "0123456789-abcdefghij-ABC"
OTHER = "9876543210-abcdefghij-ABC"

DIGESTER = Digester()
FILE = Path("/etc/longshore/tokens")


def parse(text: str) -> Tokens:
    return parse_tokens(text.encode(), FILE, DIGESTER)


def refused(data: bytes) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        parse_tokens(data, FILE, DIGESTER)
    assert caught.value.kind is Kind.FIELD_INVALID
    return caught.value


def test_a_line_is_name_role_and_token() -> None:
    (token,) = parse(f"\n# ours\n  ci\toperator  {SECRET}  \r\n").values()
    assert (token.name, token.role) == ("token:ci", Role.OPERATOR)
    assert token.expires is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2027-01-31", 1_801_353_600),
        ("2027-01-31T01:00+01:00", 1_801_353_600),
        ("2027-01-31T00:00:10Z", 1_801_353_610),
    ],
)
def test_a_token_may_expire(text: str, seconds: int) -> None:
    (token,) = parse(f"ci operator {SECRET} {text}").values()
    assert token.expires == seconds * SECOND


def test_a_token_is_exchanged_for_another_of_the_same_name() -> None:
    tokens = parse(f"ci operator {SECRET}\nci operator {OTHER}\n")
    assert len(tokens) == 2


def test_an_empty_file_knows_nobody() -> None:
    assert parse("\n \n# nobody\n") == {}


def test_only_digests_stay_and_each_process_has_its_own() -> None:
    tokens = parse(f"ci operator {SECRET}")
    assert SECRET not in repr(tokens)
    assert SECRET not in repr(DIGESTER)
    assert DIGESTER.of(SECRET) in tokens
    assert Digester().of(SECRET) not in tokens


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("ci", "1 words"),
        ("ci operator", "2 words"),
        (f"ci operator {SECRET} 2027-01-31 more", "5 words"),
        (f"-ci operator {SECRET}", "name"),
        (f"{'x' * 64} operator {SECRET}", "name"),
        (f"c/i operator {SECRET}", "name"),
        (f"ci Operator {SECRET}", "role is one of none, viewer, operator, admin"),
        (f"ci root {SECRET}", "role"),
        ("ci operator short", "22 to 512"),
        (f"ci operator {'x' * 513}", "22 to 512"),
        (f"ci operator {SECRET}!", "letters"),
        (f'ci operator "{SECRET}"', "letters"),
        (f"ci operator ={SECRET}", "letters"),
        (f"ci operator {SECRET} never", "expires"),
        (f"ci operator {SECRET} 2027-13-01", "expires"),
        (f"ci operator {SECRET} 2027-01-31T12:00", "zone"),
    ],
)
def test_a_wrong_line_is_named_and_its_token_is_not(line: str, why: str) -> None:
    error = refused(f"# first\n{line}\n".encode())
    assert f"{FILE}, line 2: " in error.message
    assert why in error.message
    assert SECRET not in str(error)


def test_a_token_stands_for_one_caller() -> None:
    error = refused(f"a viewer {SECRET}\nb admin {SECRET}\n".encode())
    assert "line 2: the same token" in error.message


def test_a_caller_has_one_role() -> None:
    error = refused(f"a viewer {SECRET}\na admin {OTHER}\n".encode())
    assert "line 2: token:a has another role" in error.message


@pytest.mark.parametrize("data", ["ä viewer x".encode(), b"\xff\xfe", b"a\x00b"])
def test_what_is_no_text_is_refused(data: bytes) -> None:
    refused(data)


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o640 | 0o002, 0o660, 0o601])
def test_a_file_that_others_could_read_or_change_is_refused(
    tmp_path: Path, mode: int
) -> None:
    path = write(tmp_path / "tokens", b"", mode)
    with pytest.raises(ServiceError, match=f"mode {mode:04o}.*chmod"):
        read_secret(path, "access.token_file")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_owner_and_a_group_that_reads_are_trusted(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "tokens", b"data", 0o600)
    path.chmod(mode)
    assert read_secret(path, "access.token_file") == b"data"


def test_a_link_leads_to_the_file(tmp_path: Path) -> None:
    """As secrets are mounted in a container."""
    write(tmp_path / "real", b"data", 0o600).chmod(0o400)
    (tmp_path / "tokens").symlink_to("real")
    assert read_secret(tmp_path / "tokens", "access.token_file") == b"data"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    write(tmp_path / "large", b"x" * (LARGEST + 1), 0o600)
    for name, why in {
        "fifo": "not a regular file",
        "large": "larger",
        "absent": "No such file",
        ".": "",
    }.items():
        with pytest.raises(ServiceError, match=f"Cannot read .*{why}"):
            read_secret(tmp_path / name, "access.token_file")
