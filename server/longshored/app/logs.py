"""How the daemon writes its log: JSON lines, or readable ones on a terminal.

Lines are written by a thread of their own: whoever logs, the event loop most of
all, never waits for a terminal, a pipe or a disk.
"""

import json
import logging
import sys
import threading
from collections import deque
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from ..config.settings import LogSettings

# Lines that wait for a stream that takes none. Beyond it they are dropped and
# counted: a log that nobody reads must not fill the memory.
MOST_WAITING = 10_000

# Between two writes: not felt by who reads the log, and tens of lines under load.
LULL_SECONDS = 0.01


_EMPTY: tuple[object, ...] = (None, "", (), [], {})


class LogWriter:
    """A stream for loggers: `write` only queues."""

    def __init__(self, stream: TextIO) -> None:
        # Set once.
        self._stream = stream
        self._thread = threading.Thread(target=self._serve, name="log", daemon=True)
        # Guarded by _wakeup.
        self._wakeup = threading.Condition()
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._closing = False
        # Cuts the last lull short.
        self._closed = threading.Event()

    def start(self) -> "LogWriter":
        self._thread.start()
        return self

    def write(self, text: str) -> int:
        with self._wakeup:
            if len(self._lines) < MOST_WAITING:
                self._lines.append(text)
            else:
                self._dropped += 1
            if len(self._lines) == 1:
                self._wakeup.notify()
        return len(text)

    def flush(self) -> None:
        """Loggers call it after every line; the thread flushes."""

    def close(self) -> None:
        """Write what is left."""
        with self._wakeup:
            self._closing = True
            self._wakeup.notify()
        self._closed.set()
        self._thread.join()

    def _serve(self) -> None:
        while text := self._take():
            self._stream.write(text)
            self._stream.flush()
            # Under load there is more at once, and one write takes it all.
            self._closed.wait(LULL_SECONDS)

    def _take(self) -> str:
        """Everything that waits, or nothing at the end."""
        with self._wakeup:
            self._wakeup.wait_for(lambda: self._lines or self._closing)
            text = "".join(self._lines)
            self._lines.clear()
            if self._dropped:
                text += f"{self._dropped} lines dropped: nobody took them\n"
                self._dropped = 0
        return text


class Logger(structlog.BoundLogger):
    """The loggers of the daemon. What is below the level costs next to nothing, so
    its methods are made for a level; `set_level` gives the class those of another,
    and with it every logger that exists."""


def set_level(name: str) -> None:
    """From now on nothing below this level is logged."""
    level = logging.getLevelNamesMapping()[name.upper()]
    of_level = structlog.make_filtering_bound_logger(level)
    for method, code in vars(of_level).items():
        if not method.startswith("__"):
            setattr(Logger, method, code)
    # grpc and asyncio speak at warning or not at all.
    logging.getLogger().setLevel(max(level, logging.WARNING))


def set_up_logs(settings: LogSettings, stream: TextIO = sys.stderr) -> LogWriter:
    """Configure structlog, and lead the standard library's loggers through it.

    Close what comes back at the very end.
    """
    writer = LogWriter(stream).start()
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = _renderer(settings, stream)
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=Logger,
        logger_factory=structlog.WriteLoggerFactory(writer),  # type: ignore[arg-type]  # it only writes and flushes
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderer,
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(handlers=[handler])
    set_level(settings.level)
    return writer


def _renderer(settings: LogSettings, stream: TextIO) -> list[Processor]:
    console = settings.format == "console" or (
        settings.format == "auto" and stream.isatty()
    )
    if console:
        return [_drop_empty, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    as_json = structlog.processors.JSONRenderer(serializer=_to_json)
    return [structlog.processors.dict_tracebacks, as_json]


def _drop_empty(_: Any, __: str, event: EventDict) -> EventDict:
    """Who reads lines looks for what is there; who parses them, for every field."""
    return {
        name: value
        for name, value in event.items()
        if name == "event" or value not in _EMPTY
    }


# Made once: json.dumps() with a default makes an encoder for every line.
_encode = json.JSONEncoder(default=repr).encode


def _to_json(event: Any, **_: Any) -> str:
    return _encode(event)
