"""How both clients talk to a daemon: options, stubs by name, who we are."""

from typing import Any

import grpc

from . import __version__
from .credentials import Credentials
from .v1 import image_service_pb2_grpc, job_service_pb2_grpc, system_service_pb2_grpc

STUBS: dict[str, Any] = {
    "JobService": job_service_pb2_grpc.JobServiceStub,
    "ImageService": image_service_pb2_grpc.ImageServiceStub,
    "SystemService": system_service_pb2_grpc.SystemServiceStub,
}

METADATA = (("longshore-client", f"longshore-python/{__version__}"),)

# The server allows a ping every 5 s; 30 s is far from that, and quick enough to
# see a dead peer. Retries are ours (steps.ask), so that every language agrees.
Options = tuple[tuple[str, int | str], ...]

OPTIONS: Options = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 0),
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.enable_retries", 0),
    # Not a pause: what one attempt to connect may take, its TLS handshake included.
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
)

# The four tries of a call last 350 ms at least; in that time the channel must have
# tried to connect once, or a daemon that is back is not seen.
CONTROL: Options = (*OPTIONS, ("grpc.max_reconnect_backoff_ms", 250))

# A watch has a connection of its own: a stream that nobody reads must not hold up
# a cancel.
WATCH: Options = (
    *OPTIONS,
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.use_local_subchannel_pool", 1),
)


def blocking(address: str, who: Credentials, options: Options) -> grpc.Channel:
    """A channel that connects when first used. Raises OSError for files of `who`."""
    shown = who.channel_credentials(address)
    if shown is None:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, shown, (*options, *who.channel_options()))


def awaited(address: str, who: Credentials, options: Options) -> grpc.aio.Channel:
    """`blocking`, for asyncio."""
    shown = who.channel_credentials(address)
    if shown is None:
        return grpc.aio.insecure_channel(address, options)
    return grpc.aio.secure_channel(address, shown, (*options, *who.channel_options()))


def metadata(who: Credentials) -> tuple[tuple[str, str], ...]:
    return (*METADATA, *who.metadata())
