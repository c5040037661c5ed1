"""longshored probe: asks for health; exit codes as grpc_health_probe."""

import sys
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import (  # type: ignore[import-untyped]  # ships no types
    health_pb2,
    health_pb2_grpc,
)

from .unreached import no_answer, unreachable

_LAST_WORDS_SECONDS = 0.5

# Instead of a file: the CAs that gRPC brings along.
_SYSTEM = "system"


class Exit(IntEnum):
    SERVING = 0
    USAGE = 1
    CONNECT = 2
    RPC = 3
    NOT_SERVING = 4


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: whom to believe, whom to be; and the name to find. No CA: no TLS."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    name: str | None = None


PLAIN = Tls()


def probe(address: str, service: str, timeout: float, tls: Tls = PLAIN) -> Exit:
    """Ask once; what was found is printed on stderr."""
    if (tls.certificate is None) != (tls.key is None):
        return _say(Exit.USAGE, "--tls-cert and --tls-key go together")
    try:
        opened = _channel(address, tls)
    except OSError as error:
        return _say(Exit.USAGE, f"Cannot read {error.filename}: {error.strerror}")
    with opened as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        try:
            grpc.channel_ready_future(channel).result(timeout)
        except grpc.FutureTimeoutError:
            return _say(Exit.CONNECT, _unreached(address, stub, request, tls))
        try:
            answer = stub.Check(request, timeout=timeout)
        except grpc.RpcError as error:
            return _say(Exit.RPC, f"{error.code().name}: {_why(error, service)}")
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return _say(Exit.SERVING if serving else Exit.NOT_SERVING, f"status: {name}")


def _channel(address: str, tls: Tls) -> grpc.Channel:
    if tls.ca is None or address.startswith("unix:"):
        return grpc.insecure_channel(address)
    credentials = grpc.ssl_channel_credentials(
        None if tls.ca == _SYSTEM else Path(tls.ca).read_bytes(),
        None if tls.key is None else Path(tls.key).read_bytes(),
        None if tls.certificate is None else Path(tls.certificate).read_bytes(),
    )
    name = [] if tls.name is None else [("grpc.ssl_target_name_override", tls.name)]
    return grpc.secure_channel(address, credentials, name)


def _why(error: Any, service: str) -> str:
    """The health service says nothing of a service that it does not know."""
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return f"The daemon has no service {service!r}"
    return str(error.details())


def _unreached(address: str, stub: Any, request: Any, tls: Tls) -> str:
    if (reason := unreachable(address)) is not None:
        return f"Nothing answers at {address}: {reason}"
    return f"No daemon answers at {address}: {_last_words(address, stub, request, tls)}"


def _last_words(address: str, stub: Any, request: Any, tls: Tls) -> str:
    """What a call says that does not wait, and what that may mean."""
    try:
        stub.Check(request, timeout=_LAST_WORDS_SECONDS)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            is_local = address.startswith("unix:")
            return no_answer(
                str(error.details()),
                has_tls=is_local or tls.ca is not None,
                has_certificate=is_local or tls.certificate is not None,
            )
    return "it took too long"


def _say(code: Exit, text: str) -> Exit:
    sys.stderr.write(f"{text}\n")
    return code
