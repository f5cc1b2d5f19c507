"""Logs: one JSON object a line on stdout, or where stdout belongs to a command, on stderr."""

import logging
import sys
from typing import TextIO

import structlog

_LEVELS = logging.getLevelNamesMapping()


def configure_logs(level: str, stream: TextIO | None = None) -> None:
    """Send our events and the libraries' warnings through one JSON renderer, to stdout if unset."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processor=structlog.processors.JSONRenderer()
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.WARNING))
    # It warns whenever a stage is woken while it runs, which is nothing to see to.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    # It tells of each connection that a dying database takes along; the stages tell it once.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
