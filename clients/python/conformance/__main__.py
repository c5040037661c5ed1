"""A driver of the conformance suite: one JSON object a line in, one a line out."""

import json
import sys
from typing import IO, Any

from longshore import AsyncClient, Client

from .awaited import Blocking
from .driver import Driver
from .words import error_of


def main() -> None:
    driver = _asyncio() if "--aio" in sys.argv[1:] else Driver("python", Client)
    # What a library prints by mistake must not break the protocol.
    answers, sys.stdout = sys.stdout, sys.stderr
    serve(driver, sys.stdin, answers)


def _asyncio() -> Driver:
    blocking = Blocking.start()
    return Driver("python-aio", lambda *given: blocking.make(AsyncClient, *given))


def serve(driver: Driver, asked: IO[str], answers: IO[str]) -> None:
    for line in asked:
        request = json.loads(line)
        answer = {"id": request.pop("id"), **outcome(driver, request)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def outcome(driver: Driver, request: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"ok": driver.do(request)}
    except Exception as error:  # noqa: BLE001 - every error is an answer
        return {"error": error_of(error)}


main()
