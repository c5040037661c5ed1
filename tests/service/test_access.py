"""Who may call what: every method of the contract, as every role, on every listener."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor

from longshored.config.settings import AccessSettings, ServerSettings
from longshored.service.roles import NEEDS
from longshored.service.server import SERVICES
from tests.service.conftest import Open, OpenSecure
from tests.support.certificates import Authority, dns, uri
from tests.support.credentials import (
    ADMIN_TOKEN,
    NONE_TOKEN,
    OPERATOR_TOKEN,
    VIEWER_TOKEN,
    SecurePlace,
    secure,
)
from tests.support.daemon import PATIENCE, Place, Stubs

METHODS = [method for service in SERVICES for method in service.methods]

# Written out here once more, so that the table of the daemon is not its own judge.
LOOKS = {
    *("GetJob", "ListJobs", "WatchJobs", "WaitJob", "PlanJob"),
    *("GetImage", "MapImage", "GetCapabilities", "GetRateLimits"),
}
WORKS = {
    *("CreateJob", "CreateJobGroup", "CreateImage", "UpdateJob", "UpdateJobGroup"),
    *("PauseJob", "ResumeJob", "CancelJob", "CompleteJob", "FinalizeJob"),
    "DismissJob",
}
RULES = {"UpdateRateLimits"}
ALLOWED = {
    "none": set[str](),
    "viewer": LOOKS,
    "operator": LOOKS | WORKS,
    "admin": LOOKS | WORKS | RULES,
}
ROLES = tuple(ALLOWED)

TOKEN = {
    "none": NONE_TOKEN,
    "viewer": VIEWER_TOKEN,
    "operator": OPERATOR_TOKEN,
    "admin": ADMIN_TOKEN,
}
NAMES = {
    "none": dns("nobody.test"),
    "viewer": dns("viewer.test"),
    "operator": dns("operator.test"),
    "admin": uri("spiffe://test/admin"),
}

Listener = Callable[[str], Stubs]
"""Makes a caller of a role."""


def test_the_roles_of_every_method_are_told() -> None:
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    assert set(NEEDS) == set(names)
    assert ALLOWED["admin"] == set(names)


def ask(stubs: Stubs, method: MethodDescriptor) -> None:
    """Call it with an empty request; a stream to its first frame."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    answer = message_factory.GetMessageClass(method.output_type)
    request = message_factory.GetMessageClass(method.input_type)()
    make = stubs.channel.unary_unary
    if method.server_streaming:
        make = stubs.channel.unary_stream  # type: ignore[assignment]  # the other shape
    call: Any = make(
        path, request_serializer=_serialize, response_deserializer=answer.FromString
    )
    if method.server_streaming:
        stream = call(request, timeout=PATIENCE)
        next(stream)
        stream.cancel()
    else:
        call(request, timeout=PATIENCE)


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


# An empty request is wrong in itself: that is found out after the role.
ANSWERS = {
    grpc.StatusCode.INVALID_ARGUMENT: True,
    grpc.StatusCode.PERMISSION_DENIED: False,
}


def is_allowed(stubs: Stubs, method: MethodDescriptor) -> bool:
    try:
        ask(stubs, method)
    except grpc.RpcError as error:
        return ANSWERS[error.code()]
    return True


def check(caller_of: Listener) -> None:
    found: dict[str, set[str]] = {}
    for role in ROLES:
        with closing(caller_of(role)) as stubs:
            found[role] = {one.name for one in METHODS if is_allowed(stubs, one)}
    assert found == ALLOWED


def test_matrix_of_certificates(
    open_secure: OpenSecure, place: Place, authority: Authority
) -> None:
    there = SecurePlace(place, authority)
    there.write_tokens("")
    daemon = open_secure(there)
    pairs = {role: authority.client(name) for role, name in NAMES.items()}

    def caller(role: str) -> Stubs:
        return secure(daemon.addresses[0], authority.ca, client=pairs[role])

    check(caller)


def test_matrix_of_tokens_over_tls(
    open_secure: OpenSecure, place: Place, authority: Authority
) -> None:
    there = SecurePlace(place, authority, wants_certificate=False)
    there.write_tokens()
    daemon = open_secure(there)
    check(lambda role: secure(daemon.addresses[0], authority.ca, token=TOKEN[role]))


def test_matrix_of_tokens_beside_a_certificate(
    open_secure: OpenSecure, place: Place, authority: Authority
) -> None:
    """The token decides, up and down."""
    there = SecurePlace(place, authority)
    there.write_tokens()
    daemon = open_secure(there)
    pair = authority.client(NAMES["operator"])
    address = daemon.addresses[0]
    check(lambda role: secure(address, authority.ca, client=pair, token=TOKEN[role]))


def test_matrix_of_the_unix_socket(open_daemon: Open, place: Place) -> None:
    daemon = open_daemon()

    def caller(role: str) -> Stubs:
        access = AccessSettings(socket_role=role)
        daemon.on_loop(daemon.daemon.reload(place.config(access=access)))
        return daemon.connect()

    check(caller)


def test_matrix_of_loopback_without_tls(open_daemon: Open, place: Place) -> None:
    server = ServerSettings(listen=("127.0.0.1:0",), insecure=True)
    daemon = open_daemon(sections={"server": server})

    def caller(role: str) -> Stubs:
        access = AccessSettings(insecure_role=role)
        config = place.config(server=server, access=access)
        daemon.on_loop(daemon.daemon.reload(config))
        return daemon.connect()

    check(caller)
