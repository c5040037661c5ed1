"""The gRPC server: services on ports, health and reflection. One loop, grpc.aio."""

import contextlib
from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc_health.v1 import (  # type: ignore[import-untyped]  # ships no types
    health,
    health_pb2,
    health_pb2_grpc,
)
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]  # ships no types
    reflection,
)

from longshore.v1 import image_service_pb2, job_service_pb2, system_service_pb2

from ..errors import Kind, ServiceError
from .around import Handlers
from .calls import Made
from .checks import REQUEST_BYTES
from .edge import Answer
from .listen import Address, TcpAddress, UnixAddress, owned, socket_mode
from .symbols import Symbols
from .tls import Transport

SERVICES: tuple[ServiceDescriptor, ...] = (
    job_service_pb2.DESCRIPTOR.services_by_name["JobService"],
    image_service_pb2.DESCRIPTOR.services_by_name["ImageService"],
    system_service_pb2.DESCRIPTOR.services_by_name["SystemService"],
)

OPTIONS: tuple[tuple[str, int], ...] = (
    # Else a second server binds the same port without an error.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Strictly below any client's interval: a client that pings more often is cut.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.max_concurrent_streams", 1024),
    ("grpc.max_receive_message_length", REQUEST_BYTES),
    # With the defaults, thousands of streams that open at once stall for ever.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
)

STOP_GRACE_SECONDS = 5.0


class Server:
    """Ports and services. `start` opens them, `stop` ends what is left."""

    def __init__(self, edge: Handlers, services: Sequence[object]) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        self._health = health.aio.HealthServicer()
        self._owned = contextlib.ExitStack()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [descriptor.full_name for descriptor in SERVICES]
        reflection.enable_server_reflection(
            [*names, health.SERVICE_NAME, reflection.SERVICE_NAME],
            self._server,
            pool=Symbols(),
        )
        for descriptor, service in zip(SERVICES, services, strict=True):
            self._server.add_generic_rpc_handlers(
                (_handlers(descriptor, service, edge),)
            )

    async def start(
        self, addresses: Sequence[Address], transport: Transport | None = None
    ) -> tuple[Address, ...]:
        """Bind and serve; what is bound comes back, with the ports that were chosen.

        With a transport all TCP is TLS.
        """
        try:
            bound = tuple(self._bind(address, transport) for address in addresses)
        except BaseException:
            self._owned.close()
            raise
        await self._server.start()
        await self._say(health_pb2.HealthCheckResponse.SERVING)
        return bound

    async def fail(self) -> None:
        """Say that nothing can be done until a restart; what can be read is served."""
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)

    async def leave(self) -> None:
        """Say to all who ask that we are going down. Calls are still served."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace: float = STOP_GRACE_SECONDS) -> None:
        await self._server.stop(grace)
        self._owned.close()

    async def _say(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in ("", *(descriptor.full_name for descriptor in SERVICES)):
            await self._health.set(name, status)

    def _bind(self, address: Address, transport: Transport | None) -> Address:
        try:
            match address:
                case UnixAddress():
                    self._owned.enter_context(owned(address))
                    with socket_mode():
                        self._server.add_insecure_port(str(address))
                    return address
                case TcpAddress(host=host):
                    return TcpAddress(host, self._bind_tcp(str(address), transport))
        except RuntimeError as error:
            raise ServiceError(
                Kind.STORE_UNAVAILABLE,
                f"Cannot listen on {address}: it is in use or not ours",
                address=str(address),
            ) from error

    def _bind_tcp(self, address: str, transport: Transport | None) -> int:
        if transport is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, transport.credentials())


def _handlers(
    descriptor: ServiceDescriptor, service: object, edge: Handlers
) -> grpc.GenericRpcHandler:
    """A handler for every method of the contract, by name."""
    table = {
        method.name: _handler(method, getattr(service, method.name), edge)
        for method in descriptor.methods
    }
    return grpc.method_handlers_generic_handler(descriptor.full_name, table)


def _handler(method: MethodDescriptor, serve: Any, edge: Handlers) -> Any:
    request = message_factory.GetMessageClass(method.input_type)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(
            edge.stream(method, serve),
            request_deserializer=request.FromString,
            # Frames are bytes already: made once for all who watch.
            response_serializer=None,
        )
    return grpc.unary_unary_rpc_method_handler(
        edge.unary(method, serve),
        request_deserializer=request.FromString,
        response_serializer=_serialize,
    )


def _serialize(answer: Answer) -> bytes:
    if isinstance(answer, Made):
        return answer.body
    return answer.SerializeToString() if isinstance(answer, Message) else answer
