"""Bad certificates and bad tokens: none gets anything, and nobody else falls."""

import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import grpc
import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from longshore.v1 import job_service_pb2 as pb
from tests.service.conftest import OpenSecure
from tests.support.calls import Refusal, create, refusal
from tests.support.certificates import (
    SERVER,
    Authority,
    Pair,
    Sketch,
    dns,
    ip,
    make,
    make_ca,
    uri,
)
from tests.support.credentials import (
    ADMIN_TOKEN,
    OPERATOR_TOKEN,
    TOKENS,
    VIEWER_TOKEN,
    SecurePlace,
    secure,
)
from tests.support.daemon import PATIENCE, LocalDaemon, Place, Stubs

C = grpc.StatusCode

EXPIRED_TOKEN = "expired-0123456789-abcdefgh"
NONE_OF_OURS = "nothing-0123456789-abcdefgh"


@dataclass(frozen=True)
class Secure:
    """A daemon on TLS, and whoever wants something of it."""

    daemon: LocalDaemon
    authority: Authority

    @property
    def address(self) -> str:
        return self.daemon.addresses[0]

    def refuses(self, pair: Pair | None) -> Refusal:
        """Ask with a certificate, or without one."""
        with closing(secure(self.address, self.authority.ca, client=pair)) as stubs:
            return asked(stubs)

    def refuses_header(self, *headers: tuple[str, str | bytes]) -> Refusal:
        with closing(secure(self.address, self.authority.ca)) as stubs:
            return refusal(lambda: stubs.jobs.ListJobs(LIST, metadata=headers))


LIST = pb.ListJobsRequest()


def asked(stubs: Stubs) -> Refusal:
    return refusal(lambda: stubs.jobs.ListJobs(LIST, timeout=PATIENCE))


@pytest.fixture
def mutual(open_secure: OpenSecure, place: Place, authority: Authority) -> Secure:
    """Callers need a certificate."""
    there = SecurePlace(place, authority)
    there.write_tokens()
    return Secure(open_secure(there), authority)


@pytest.fixture
def bearers(open_secure: OpenSecure, place: Place, authority: Authority) -> Secure:
    """Callers need a token."""
    there = SecurePlace(place, authority, wants_certificate=False)
    there.write_tokens(f"{TOKENS}late admin {EXPIRED_TOKEN} 2020-01-01\n")
    return Secure(open_secure(there), authority)


# Certificates that TLS itself refuses.

GOOD_NAME = (dns("operator.test"),)


def untrusted(ca: Pair) -> Iterator[tuple[str, Pair | None]]:
    leaf = make(Sketch("leaf", GOOD_NAME), ca)
    old_ca = make(Sketch("test CA", usage=(), is_ca=True, begins=-9, ends=-8))
    yield "none", None
    yield "self-signed", make(Sketch(names=GOOD_NAME))
    yield "of another CA", make(Sketch(names=GOOD_NAME), make_ca("another CA"))
    yield "of a CA with our CA's name", make(Sketch(names=GOOD_NAME), make_ca())
    yield "of a CA that has expired", make(Sketch(names=GOOD_NAME), old_ca)
    yield "signed by a certificate that is no CA", make(Sketch(names=GOOD_NAME), leaf)
    yield "expired", make(Sketch(names=GOOD_NAME, begins=-3, ends=-2), ca)
    yield "expired a second ago", make(Sketch(names=GOOD_NAME, ends=-1e-5), ca)
    yield "not yet valid", make(Sketch(names=GOOD_NAME, begins=1, ends=2), ca)
    yield "for servers", make(Sketch(names=GOOD_NAME, usage=(SERVER,)), ca)
    code = (ExtendedKeyUsageOID.CODE_SIGNING,)
    yield "for signing code", make(Sketch(names=GOOD_NAME, usage=code), ca)


def test_a_certificate_that_nobody_vouches_for_does_not_connect(
    mutual: Secure,
) -> None:
    cases = dict(untrusted(mutual.authority.ca))
    codes = {what: mutual.refuses(pair).code for what, pair in cases.items()}
    assert codes == dict.fromkeys(cases, C.UNAVAILABLE)
    assert len(cases) == 11


# Certificates in order, of callers that are nobody here.


def nameless(ca: Pair) -> Iterator[tuple[str, Pair]]:
    yield "common name only", make(Sketch("operator.test"), ca)
    yield "address only", make(Sketch(names=(ip("127.0.0.1"),)), ca)
    mail = x509.RFC822Name("operator@operator.test")
    yield "mail only", make(Sketch(names=(mail,)), ca)


def test_a_certificate_without_a_name_that_counts_is_told_so(mutual: Secure) -> None:
    cases = dict(nameless(mutual.authority.ca))
    told = {what: mutual.refuses(pair) for what, pair in cases.items()}
    assert {one.code for one in told.values()} == {C.UNAUTHENTICATED}
    assert {one.reason for one in told.values()} == {"CREDENTIALS_INVALID"}
    assert all("subjectAltName" in one.message for one in told.values())


@pytest.mark.parametrize(
    "name",
    [
        dns("nobody.test"),
        dns("*.test"),
        dns("OPERATOR.test"),
        dns("operator.test.evil.test"),
        dns("xoperator.test"),
        dns("spiffe://test/admin"),
        uri("operator.test"),
        uri("spiffe://other/admin"),
        uri("spiffe://test/admin/"),
        uri("spiffe://test/admin?x"),
    ],
    ids=lambda name: name.value,
)
def test_a_name_that_is_not_listed_is_nobody(
    mutual: Secure, name: x509.GeneralName
) -> None:
    # The common name, which does not count, is that of an admin.
    pair = make(Sketch("spiffe://test/admin", (name,)), mutual.authority.ca)
    told = mutual.refuses(pair)
    assert (told.code, told.reason) == (C.PERMISSION_DENIED, "PERMISSION_DENIED")
    assert told.info.metadata["permission"] == "viewer"
    assert told.info.metadata["role"] == "none"
    assert told.info.metadata["resource"] == "ListJobs"


def handshake(address: str, version: ssl.TLSVersion) -> str | None:
    """Speak TLS of one version alone, as weak as one likes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    host, _, port = address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), PATIENCE) as plain,
        context.wrap_socket(plain) as shaken,
    ):
        return shaken.version()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(bearers: Secure, version: ssl.TLSVersion) -> None:
    assert handshake(bearers.address, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(bearers.address, version)


@pytest.mark.parametrize("token", [None, ADMIN_TOKEN])
def test_a_caller_without_tls_does_not_connect(
    bearers: Secure, token: str | None
) -> None:
    headers = () if token is None else (("authorization", f"Bearer {token}"),)
    with closing(Stubs(grpc.insecure_channel(bearers.address))) as stubs:
        told = refusal(lambda: stubs.jobs.ListJobs(LIST, metadata=headers))
    assert told.code is C.UNAVAILABLE


def test_a_good_token_does_not_replace_the_certificate(mutual: Secure) -> None:
    ca = mutual.authority.ca
    with closing(secure(mutual.address, ca, token=ADMIN_TOKEN)) as stubs:
        assert asked(stubs).code is C.UNAVAILABLE


def test_a_bad_token_beside_a_good_certificate_is_refused(mutual: Secure) -> None:
    pair = mutual.authority.client(*GOOD_NAME)
    ca = mutual.authority.ca
    with closing(secure(mutual.address, ca, client=pair, token="x" * 30)) as stubs:
        assert asked(stubs).code is C.UNAUTHENTICATED


# Tokens.

BAD_HEADERS: dict[str, list[tuple[str, str | bytes]]] = {
    "none": [],
    "unknown": [("authorization", f"Bearer {NONE_OF_OURS}")],
    "empty": [("authorization", "")],
    "no token": [("authorization", "Bearer")],
    "empty token": [("authorization", "Bearer ")],
    "no scheme": [("authorization", ADMIN_TOKEN)],
    "another scheme": [("authorization", f"Basic {ADMIN_TOKEN}")],
    "cut": [("authorization", f"Bearer {ADMIN_TOKEN[:-1]}")],
    "longer": [("authorization", f"Bearer {ADMIN_TOKEN}x")],
    "upper case": [("authorization", f"Bearer {ADMIN_TOKEN.upper()}")],
    "two blanks": [("authorization", f"Bearer  {ADMIN_TOKEN}")],
    "blank inside": [("authorization", f"Bearer {ADMIN_TOKEN[:9]} {ADMIN_TOKEN[9:]}")],
    "quoted": [("authorization", f'Bearer "{ADMIN_TOKEN}"')],
    "joined": [("authorization", f"Bearer {VIEWER_TOKEN}, Bearer {ADMIN_TOKEN}")],
    "two headers": [
        ("authorization", f"Bearer {VIEWER_TOKEN}"),
        ("authorization", f"Bearer {ADMIN_TOKEN}"),
    ],
    "name instead": [("authorization", "Bearer root")],
    "whole line": [("authorization", f"Bearer root admin {ADMIN_TOKEN}")],
    "unsigned JWT": [
        ("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.")
    ],
    "another header": [("x-authorization", f"Bearer {ADMIN_TOKEN}")],
    "binary header": [("authorization-bin", f"Bearer {ADMIN_TOKEN}".encode())],
    "expired": [("authorization", f"Bearer {EXPIRED_TOKEN}")],
    "huge": [("authorization", f"Bearer {'x' * 6000}")],
    "all of the file": [("authorization", f"Bearer {TOKENS.replace(chr(10), ' ')}")],
    "home made role": [("authorization", f"Bearer {VIEWER_TOKEN} role=admin")],
}


@pytest.mark.parametrize("headers", BAD_HEADERS.values(), ids=BAD_HEADERS)
def test_a_token_that_is_not_right_is_refused(
    bearers: Secure, headers: list[tuple[str, str | bytes]]
) -> None:
    told = bearers.refuses_header(*headers)
    assert (told.code, told.reason) == (C.UNAUTHENTICATED, "CREDENTIALS_INVALID")
    secret_words = (ADMIN_TOKEN, VIEWER_TOKEN, EXPIRED_TOKEN)
    assert not any(word in str(told.status) for word in secret_words)


def test_a_header_larger_than_any_token_is_refused_by_the_transport(
    bearers: Secure,
) -> None:
    told = bearers.refuses_header(("authorization", f"Bearer {'x' * 100_000}"))
    assert told.code in (C.RESOURCE_EXHAUSTED, C.UNAVAILABLE)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\0", "ä"])
def test_a_token_with_odd_characters_does_not_leave_the_client(
    bearers: Secure, ending: str
) -> None:
    with closing(secure(bearers.address, bearers.authority.ca)) as stubs:
        header = (("authorization", f"Bearer {ADMIN_TOKEN}{ending}"),)
        with pytest.raises((ValueError, grpc.RpcError)):
            stubs.jobs.ListJobs(LIST, metadata=header, timeout=PATIENCE)


def test_the_scheme_is_read_in_any_case(bearers: Secure) -> None:
    with closing(secure(bearers.address, bearers.authority.ca)) as stubs:
        header = (("authorization", f"bEARER {VIEWER_TOKEN}"),)
        assert stubs.jobs.ListJobs(LIST, metadata=header) is not None


def test_a_token_is_judged_on_the_socket_too(bearers: Secure) -> None:
    with closing(Stubs(grpc.insecure_channel(bearers.daemon.addresses[1]))) as stubs:
        assert stubs.jobs.ListJobs(LIST) is not None
        header = (("authorization", f"Bearer {NONE_OF_OURS}"),)
        told = refusal(lambda: stubs.jobs.ListJobs(LIST, metadata=header))
        assert told.code is C.UNAUTHENTICATED


def test_callers_are_known_by_the_name_of_token_or_certificate(
    mutual: Secure,
) -> None:
    pair = mutual.authority.client(dns("operator.test"), uri("spiffe://test/admin"))
    ca = mutual.authority.ca
    with closing(secure(mutual.address, ca, client=pair)) as stubs:
        assert create(stubs).owner == "uri:spiffe://test/admin"
    with closing(
        secure(mutual.address, ca, client=pair, token=OPERATOR_TOKEN)
    ) as stubs:
        assert create(stubs, "other").owner == "token:ci"
