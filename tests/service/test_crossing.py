"""From the loop to threads and back: results, promises, and what goes wrong."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import TypeVar

import pytest

from longshored.errors import Kind, ServiceError
from longshored.service.crossing import Crossing

T = TypeVar("T")


def across(use: Callable[[Crossing], Awaitable[T]]) -> T:
    async def run() -> T:
        crossing = Crossing("test", 1)
        try:
            return await use(crossing)
        finally:
            crossing.close()

    return asyncio.run(run())


def test_a_call_answers_what_its_thread_found() -> None:
    assert across(lambda crossing: crossing.call(divmod, 7, 2)) == (3, 1)


def test_a_promise_that_is_kept_already_is_answered() -> None:
    promise: Future[str] = Future()
    promise.set_result("kept")
    assert across(lambda crossing: crossing.begin(lambda: promise)) == "kept"


def test_a_promise_holds_no_thread() -> None:
    promise: Future[str] = Future()

    async def use(crossing: Crossing) -> str:
        waiting = asyncio.ensure_future(crossing.begin(lambda: promise))
        # The only thread is free for this call, which lets the other one end.
        await crossing.call(promise.set_result, "kept by the next call")
        return await waiting

    assert across(use) == "kept by the next call"


def test_a_promise_that_is_broken_raises_its_error() -> None:
    promise: Future[str] = Future()
    promise.set_exception(ServiceError(Kind.JOB_NOT_FOUND, "No job x"))
    with pytest.raises(ServiceError, match="No job x"):
        across(lambda crossing: crossing.begin(lambda: promise))


def test_what_fails_before_it_promises_raises_too() -> None:
    def fail() -> "Future[str]":
        raise ServiceError(Kind.SERVER_STOPPING, "The daemon is stopping")

    with pytest.raises(ServiceError, match="stopping"):
        across(lambda crossing: crossing.begin(fail))
