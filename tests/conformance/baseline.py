"""The contract as it was when the baseline was taken, as messages made at run time."""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor_pool import DescriptorPool

BASELINE = Path(__file__).parents[2] / "proto" / "baseline.binpb"


class Contract:
    """Messages by their name, from a set of files as `buf build` writes it."""

    def __init__(self, files: bytes) -> None:
        self._pool = DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(files).file:
            self._pool.Add(file)

    def kind(self, name: str) -> Any:
        """The class of a message of longshore.v1."""
        full = name if "." in name else f"longshore.v1.{name}"
        return message_factory.GetMessageClass(self._pool.FindMessageTypeByName(full))

    def service(self, name: str) -> Any:
        return self._pool.FindServiceByName(f"longshore.v1.{name}")

    def aged(self, name: str, packed: bytes) -> bytes:
        """What someone of that time understands of a message of today."""
        message = self.kind(name).FromString(packed)
        message.DiscardUnknownFields()
        kept: bytes = message.SerializeToString()
        return kept


class Stub:
    """Calls of one service, with messages of that contract."""

    def __init__(self, channel: Any, contract: Contract, service: str) -> None:
        for method in contract.service(service).methods:
            make = channel.unary_stream if method.server_streaming else None
            make = make or channel.unary_unary
            call = make(
                f"/longshore.v1.{service}/{method.name}",
                request_serializer=lambda message: message.SerializeToString(),
                response_deserializer=contract.kind(
                    method.output_type.full_name
                ).FromString,
            )
            setattr(self, method.name, call)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)
