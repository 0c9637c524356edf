"""Structured logs: one line per event, with the ids of its request or task."""

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog
import structlog.tracebacks

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
STYLES = ("json", "console")
REQUEST_ID = "casefile_request_id"
"""The attribute of a request that keeps its id (config/request_ids.py)."""


def add_request_id(
    logger: Any, name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the id of the request that a line of Django's own is about."""
    request = getattr(event.get("_record"), "request", None)
    if found := getattr(request, REQUEST_ID, None):
        event.setdefault("request_id", found)
    return event


SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    add_request_id,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
]


class ExpectedRefusals(logging.Filter):
    """Let a refusal be one line: django_structlog tells of it, with who and where.

    Django tells of it again, and of a 403 with the whole way that it took.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        status = getattr(record, "status_code", None)
        is_refusal = isinstance(status, int) and 400 <= status < 500
        return not (is_refusal and record.name == "django.request")


def make_logging(*, level: str, as_json: bool) -> dict[str, Any]:
    """Return Django's LOGGING and set structlog up to feed the same handler."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED_PROCESSORS,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    # No local variables in tracebacks: they would hold secrets and evidence.
    last: list[Any] = [
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
    ]
    if as_json:
        transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        last = [
            structlog.processors.ExceptionRenderer(transform),
            structlog.processors.JSONRenderer(),
        ]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED_PROCESSORS,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *last,
                ],
            },
        },
        "filters": {"expected_refusals": {"()": ExpectedRefusals}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "filters": ["expected_refusals"],
            },
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "axes": {"level": "WARNING"},
            # Each task is told of once, with its ids, by django_structlog.
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "django": {"handlers": [], "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
            # Its debug lines hold the paths of webhooks, which are secrets.
            "urllib3": {"level": "INFO"},
        },
    }
