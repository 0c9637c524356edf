"""Probes: /healthz says that this process answers, /readyz that its parts do too.

`READINESS_CHECKS` names the parts: each is a function without arguments that returns a
short text for the reader and raises when its part cannot do its work. Apps add theirs
there. The reasons of a failure go to the log; the probe's reader learns which part.

Web requests need the parts in `READINESS_CRITICAL`. Where one of those fails, the
status is `failing` and the answer 503: a balancer sends visitors elsewhere. Where
another part fails, it is `degraded` and 200, since no other web machine would serve
them better: what was asked for is in the database, and done once the part is back.
With `?strict=1`, for monitors, anything but `ok` is a 503.

A check that raises HealthWarning works, and needs somebody to look: its part is in
`warning` with what it says, and so is the whole where nothing is worse.
"""

import logging
import threading
import time
from http import HTTPStatus
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.module_loading import import_string

from config.heartbeat import STALE_SECONDS, WORKER_SEEN_KEY
from evidence import storage
from evidence.errors import HealthWarning

log = logging.getLogger(__name__)

BROKER_SECONDS = 3
SERVING = {"ok", "warning", "degraded"}
"""With these, pages work."""

_lock = threading.Lock()
_last: tuple[float, dict[str, Any]] | None = None


class PartFailure(Exception):
    """A part answers, but not as it should."""


def find_health_response(request: HttpRequest) -> HttpResponse | None:
    """Return the probe's answer, or None if the request is not a probe."""
    if request.path_info == "/healthz":
        return JsonResponse({"status": "ok"})
    if request.path_info == "/readyz":
        report = read_report()
        is_strict = request.GET.get("strict") == "1"
        ready = report["status"] in ({"ok"} if is_strict else SERVING)
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return JsonResponse(report, status=status)
    return None


def read_report() -> dict[str, Any]:
    """Return the report, at most READINESS_SECONDS old: anybody may ask, often."""
    global _last
    with _lock:
        if _last is None or time.monotonic() - _last[0] >= settings.READINESS_SECONDS:
            _last = time.monotonic(), _make_report()
        return _last[1]


def _make_report() -> dict[str, Any]:
    parts = {
        name: _probe(name, path) for name, path in settings.READINESS_CHECKS.items()
    }
    failing = {name for name, part in parts.items() if part["status"] == "failing"}
    if failing & set(settings.READINESS_CRITICAL):
        return {"status": "failing", "parts": parts}
    if failing:
        return {"status": "degraded", "parts": parts}
    warns = any(part["status"] == "warning" for part in parts.values())
    return {"status": "warning" if warns else "ok", "parts": parts}


def _probe(name: str, path: str) -> dict[str, Any]:
    start = time.perf_counter()
    status = "ok"
    try:
        detail = import_string(path)()
    except HealthWarning as warning:
        status, detail = "warning", str(warning)
    except Exception as error:
        # Whatever it was, it is what the probe is for: this part does not work.
        log.warning("readiness: %s fails", name, exc_info=True)
        status, detail = "failing", type(error).__name__
    milliseconds = round((time.perf_counter() - start) * 1000, 1)
    return {"status": status, "detail": detail, "milliseconds": milliseconds}


def check_database() -> str:
    """Ask the database for a row."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "answers"


def check_broker() -> str:
    """Connect to the broker that carries the tasks."""
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    return "answers"


def check_workers() -> str:
    """Look for a worker's heartbeat."""
    seen_at = cache.get(WORKER_SEEN_KEY)
    if seen_at is None:
        raise PartFailure(f"no worker has reported for {STALE_SECONDS} seconds")
    return f"reported {max(0, round(time.time() - seen_at))} s ago"


def check_evidence_storage() -> str:
    """Read the evidence store's own probe file, and spool one as an upload would."""
    storage.probe()
    return "spools and reads"
