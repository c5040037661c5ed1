"""A listener on a loop and a thread of its own, for the time of one question."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

from longshored.app.scrape import Scraped
from longshored.service.listen import TcpAddress

T = TypeVar("T")

PATIENCE = 20.0


def on_a_loop(scraped: Scraped, ask: Callable[[TcpAddress], T]) -> T:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        start = scraped.start([TcpAddress("127.0.0.1", 0)])
        (bound,) = asyncio.run_coroutine_threadsafe(start, loop).result(PATIENCE)
        answer = ask(bound)
        stop = scraped.stop()
        asyncio.run_coroutine_threadsafe(stop, loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
    return answer
