"""Files of certificates: what is taken, what is refused, and when they end."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest

from longshored.clock import SECOND
from longshored.errors import ServiceError
from longshored.service.tls import TlsFiles, load_material
from longshored.service.x509 import not_after
from tests.support.certificates import (
    Authority,
    Sketch,
    dns,
    make,
    server_pair,
    write,
)


@pytest.fixture
def files(authority: Authority) -> TlsFiles:
    return TlsFiles(authority.certificate_file, authority.key_file, authority.ca_file)


def wrong(files: TlsFiles) -> tuple[str, str]:
    with pytest.raises(ServiceError) as caught:
        load_material(files)
    (violation,) = caught.value.violations
    return violation.field, violation.description


def test_certificate_key_and_ca_are_read(authority: Authority, files: TlsFiles) -> None:
    material = load_material(files)
    assert material.client_ca == authority.ca.pem
    assert "PRIVATE KEY" not in repr(material)


def test_a_key_that_does_not_fit_is_refused(
    authority: Authority, files: TlsFiles
) -> None:
    write(files.key, server_pair(authority.ca).key_pem, 0o600)
    field, why = wrong(files)
    assert (field, "KEY_VALUES_MISMATCH" in why) == ("tls.certificate", True)


def test_a_key_that_others_can_read_is_refused(files: TlsFiles) -> None:
    files.key.chmod(0o644)
    field, why = wrong(files)
    assert (field, "mode 0644" in why) == ("tls.key", True)


def test_a_key_with_a_password_is_refused_and_not_asked_for(
    authority: Authority, files: TlsFiles
) -> None:
    pair = server_pair(authority.ca)
    write(files.certificate, pair.pem)
    write(files.key, pair.key_with_password(b"secret"), 0o600)
    assert "password" in wrong(files)[1]


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x00\xff", b"-----BEGIN"])
@pytest.mark.parametrize("which", ["certificate", "client_ca"])
def test_what_is_no_certificate_is_refused(
    files: TlsFiles, which: str, data: bytes
) -> None:
    path: Path = getattr(files, which)
    write(path, data)
    assert wrong(files)[0] == f"tls.{which}"


def test_an_absent_file_is_named(files: TlsFiles) -> None:
    files.certificate.unlink()
    assert wrong(files) == (
        "tls.certificate",
        f"Cannot read {files.certificate}: No such file or directory",
    )


@pytest.mark.parametrize("days", [1, 365 * 20, 365 * 30, 365 * 500])
def test_the_end_of_a_certificate_is_read(days: int) -> None:
    pair = make(Sketch(names=(dns("x.test"),), ends=days))
    told = not_after(pair.pem.decode())
    expected = pair.certificate.not_valid_after_utc
    assert datetime.fromtimestamp(told // SECOND, UTC) == expected


def test_the_end_is_that_of_the_first_certificate(authority: Authority) -> None:
    leaf = make(Sketch(ends=3), authority.ca)
    chain = b"some words\n" + leaf.pem + authority.ca.pem
    expected = leaf.certificate.not_valid_after_utc
    told = not_after(chain.decode())
    assert datetime.fromtimestamp(told // SECOND, UTC) == expected


def test_a_cut_certificate_is_a_value_error() -> None:
    der = base64.b64decode("".join(make(Sketch()).pem.decode().split("\n")[1:-2]))
    for size in range(0, 60, 7):
        text = base64.b64encode(der[:size]).decode()
        pem = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
        with pytest.raises(ValueError):  # noqa: PT011 - any will do
            not_after(pem)
