"""The first write of a stream is not cut off: else gRPC could not end the stream."""

import asyncio

import pytest

from longshored.service.watch import to_its_end


class Writing:
    """A write that lasts until it is let go, and may fail then."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun, self.free = asyncio.Event(), asyncio.Event()
        self.is_done = False
        self._error = error

    async def write(self) -> None:
        self.begun.set()
        await self.free.wait()
        self.is_done = True
        if self._error is not None:
            raise self._error


async def cancelled_meanwhile(writing: Writing) -> None:
    stream = asyncio.create_task(to_its_end(writing.write()))
    await writing.begun.wait()
    stream.cancel()
    writing.free.set()
    await stream


@pytest.mark.parametrize("error", [None, ConnectionError("gone")])
def test_a_cancel_during_the_first_write_counts_after_it(
    error: Exception | None,
) -> None:
    async def play() -> None:
        writing = Writing(error)
        with pytest.raises(asyncio.CancelledError):
            await cancelled_meanwhile(writing)
        assert writing.is_done

    asyncio.run(play())


def test_an_error_of_the_first_write_is_its_own() -> None:
    async def play() -> None:
        writing = Writing(ConnectionError("gone"))
        writing.free.set()
        with pytest.raises(ConnectionError):
            await to_its_end(writing.write())

    asyncio.run(play())
