"""Structured logs on stderr: one JSON object a line for machines, colours for a person at a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

from schemas.sections import LogSettings


def configure(settings: LogSettings, stream: TextIO | None = None) -> Any:
    """Set structlog up for this process and return its logger. Times are RFC 3339 in UTC."""
    out = sys.stderr if stream is None else stream
    as_json = not out.isatty() if settings.json_lines is None else settings.json_lines
    shape: list[Any] = (
        # Plain tracebacks: those with local variables would carry whole listings, and take long.
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *shape,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    return structlog.get_logger()
