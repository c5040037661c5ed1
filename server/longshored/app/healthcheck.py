"""longshored probe: asks for health; exit codes as grpc_health_probe."""

import sys
from enum import IntEnum

import grpc
from grpc_health.v1 import (  # type: ignore[import-untyped]  # ships no types
    health_pb2,
    health_pb2_grpc,
)


class Exit(IntEnum):
    SERVING = 0
    USAGE = 1
    CONNECT = 2
    RPC = 3
    NOT_SERVING = 4


def probe(address: str, service: str, timeout: float) -> Exit:
    """Ask once; what was found is printed on stderr."""
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout)
        except grpc.FutureTimeoutError:
            return _say(Exit.CONNECT, f"Cannot connect to {address} in {timeout} s")
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(
                health_pb2.HealthCheckRequest(service=service), timeout=timeout
            )
        except grpc.RpcError as error:
            return _say(Exit.RPC, f"{error.code().name}: {error.details()}")
    name = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return _say(Exit.SERVING if serving else Exit.NOT_SERVING, f"status: {name}")


def _say(code: Exit, text: str) -> Exit:
    sys.stderr.write(f"{text}\n")
    return code
