"""What a client rides out, its listener hears; in both twins."""

import asyncio

import pytest

from longshore import AsyncClient, Client, ConnectionFailed, LongshoreError
from tests.support.fakeserver import FakeServer
from tests.support.refusals import Code, Refusal

GONE = Refusal(Code.UNAVAILABLE, message="connection refused")


class Ear:
    def __init__(self) -> None:
        self.news: list[str] = []

    def heard(self) -> None:
        self.news.append("heard")

    def failed(self, error: LongshoreError) -> None:
        self.news.append(type(error).__name__)


def test_a_call_that_is_tried_again(server: FakeServer) -> None:
    server.put("a")
    server.fail("GetJob", GONE, GONE)
    ear = Ear()
    with Client(server.address, listener=ear) as client:
        client.job("a").get()
    assert ear.news == ["ConnectionFailed", "ConnectionFailed", "heard"]


def test_the_last_failure_is_the_callers(server: FakeServer) -> None:
    server.fail("GetJob", *[GONE] * 4)
    ear = Ear()
    with (
        Client(server.address, listener=ear) as client,
        pytest.raises(ConnectionFailed),
    ):
        client.job("a").get()
    assert ear.news == ["ConnectionFailed"] * 3


def test_a_watch_that_is_cut(server: FakeServer) -> None:
    server.put("a", "SUCCEEDED")
    server.cuts.extend([1, 0])
    ear = Ear()
    with Client(server.address, listener=ear) as client:
        list(client.job("a").watch())
    assert ear.news[:3] == ["heard", "ConnectionFailed", "ConnectionFailed"]
    assert set(ear.news[3:]) == {"heard"}


def test_the_twin_for_asyncio(server: FakeServer) -> None:
    server.put("a", "SUCCEEDED")
    server.fail("GetJob", GONE)
    server.cuts.append(0)
    ear = Ear()

    async def both() -> None:
        async with AsyncClient(server.address, listener=ear) as client:
            await client.job("a").get()
            assert ear.news == ["ConnectionFailed", "heard"]
            ear.news.clear()
            async for _ in client.job("a").watch():
                pass

    asyncio.run(both())
    assert ear.news[0] == "ConnectionFailed"
    assert set(ear.news[1:]) == {"heard"}
