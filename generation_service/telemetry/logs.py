"""Logs: one line an event on stdout, or where stdout belongs to a command, on stderr.

JSON for machines, or a line for people (LOG_FORMAT=console). Either way nothing that a client, a
receiver or a model has written can begin a line of its own or move a terminal's cursor.
"""

import logging
import re
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import Final, ParamSpec, TextIO, TypeVar

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_LEVELS: Final = logging.getLevelNamesMapping()
_CONTROL: Final = re.compile(r"[^\S\n\t ]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e-\u206f\ufeff]")

_P = ParamSpec("_P")
_T = TypeVar("_T")


def configure_logs(level: str, form: str = "json", stream: TextIO | None = None) -> None:
    """Send our events and the libraries' warnings through one renderer, to stdout if unset."""
    out = stream or sys.stdout
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = _renderers(form, out)
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(_LEVELS[level], logging.WARNING))
    # It warns whenever a stage is woken while it runs, which is nothing to see to.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    # It tells of each connection that a dying database takes along; the stages tell it once.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)


def in_context(work: Callable[_P, _T]) -> Callable[_P, _T]:
    """`work` for another thread, whose lines carry the ids that are bound here and now."""
    context = copy_context()

    def run(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        return context.copy().run(work, *args, **kwargs)

    return run


def _renderers(form: str, out: TextIO) -> list[Processor]:
    if form == "json":
        return [structlog.processors.JSONRenderer()]
    console = structlog.dev.ConsoleRenderer(
        colors=out.isatty(),
        repr_native_str=True,  # quoted and escaped, so that a value can't pass for something else
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [_harmless, console]


def _harmless(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Escape control characters in what the console shows unquoted."""
    for name in ("event", "exception", "stack"):
        if name in event:
            event[name] = _CONTROL.sub(_escaped, str(event[name]))
    event["event"] = event["event"].replace("\n", "\\n")
    return event


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
