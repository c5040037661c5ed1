"""How the daemon writes its log: JSON lines, or readable ones on a terminal."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import Processor

from ..config.settings import LogSettings


def set_up_logs(settings: LogSettings, stream: TextIO = sys.stderr) -> None:
    """Configure structlog, and lead the standard library's loggers through it."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = _renderer(settings, stream)
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderer,
            ],
            foreign_pre_chain=shared,
        )
    )
    # grpc and asyncio speak at warning or not at all.
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING))


def _renderer(settings: LogSettings, stream: TextIO) -> list[Processor]:
    console = settings.format == "console" or (
        settings.format == "auto" and stream.isatty()
    )
    if console:
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer()]
