"""A listener that answers GET /metrics, and nothing else. Lives on the loop.

Just enough HTTP for a scraper. It has few connections and short patience, so that
whoever can reach it cannot hold the daemon's descriptors.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from ..errors import Kind, ServiceError, field_invalid
from ..service.listen import TcpAddress, parse_address

Page = Callable[[str], tuple[bytes, str]]
"""The page and the name of its form, for an Accept header; may block."""

MOST_CONNECTIONS = 8
PATIENCE_SECONDS = 5.0
_LARGEST_REQUEST = 8192


class Scraped:
    def __init__(self, page: Page, patience: float = PATIENCE_SECONDS) -> None:
        # Set once.
        self._page = page
        self._patience = patience
        self._servers: list[asyncio.Server] = []
        # Only on the loop.
        self._connections = 0

    async def start(self, addresses: Sequence[TcpAddress]) -> tuple[TcpAddress, ...]:
        """Listen; what is bound comes back. Raises with nothing left open."""
        try:
            return tuple([await self._listen(address) for address in addresses])
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        for server in self._servers:
            await server.wait_closed()

    async def _listen(self, address: TcpAddress) -> TcpAddress:
        try:
            server = await asyncio.start_server(
                self._serve, address.host, address.port, limit=_LARGEST_REQUEST
            )
        except OSError as error:
            raise ServiceError(
                Kind.STORE_UNAVAILABLE,
                f"Cannot listen on {address} for metrics: {error.strerror}",
                address=str(address),
            ) from error
        self._servers.append(server)
        return TcpAddress(address.host, server.sockets[0].getsockname()[1])

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._connections += 1
        try:
            if self._connections <= MOST_CONNECTIONS:
                async with asyncio.timeout(self._patience):
                    await self._converse(reader, writer)
        except (TimeoutError, OSError, asyncio.IncompleteReadError, ValueError):
            # Slow, gone, or no HTTP: there is nobody to tell.
            pass
        finally:
            self._connections -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """One question, one answer."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return
        line, *fields = head.decode("latin-1").split("\r\n")
        verb, path, _ = line.split(" ", 2)
        if (verb, path.partition("?")[0]) != ("GET", "/metrics"):
            writer.write(_answer("404 Not Found", "text/plain", b"GET /metrics\n"))
        else:
            body, form = await asyncio.to_thread(self._page, _accept(fields))
            writer.write(_answer("200 OK", form, body))
        await writer.drain()


def metrics_addresses(texts: Sequence[str]) -> tuple[TcpAddress, ...]:
    """The addresses to answer on; raises FIELD_INVALID for one that is none."""
    addresses = []
    for text in texts:
        address = parse_address(text)
        if not isinstance(address, TcpAddress):
            raise field_invalid("metrics.listen", f"Must be HOST:PORT, not {text!r}")
        addresses.append(address)
    return tuple(addresses)


def _accept(fields: Sequence[str]) -> str:
    for field in fields:
        name, _, value = field.partition(":")
        if name.lower() == "accept":
            return value.strip()
    return ""


def _answer(status: str, form: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {form}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("latin-1") + body
