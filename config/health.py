"""Probes: /healthz says that this process answers, /readyz that its parts do too.

`PARTS` names the parts (config/parts.py); each is asked by evidence.health.

Web requests need the parts that take a web machine out. Where one of those fails, the
status is `failing` and the answer 503: a balancer sends visitors elsewhere. Where
another part fails or cannot be told, it is `degraded` and 200, since no other web
machine would serve them better: what was asked for is in the database, and done once
the part is back. With `?strict=1`, for monitors, anything but `ok` is a 503.

A part in `warning` works and needs somebody to look; so does the whole, where nothing
is worse.
"""

import shutil
import tempfile
import time
from http import HTTPStatus
from typing import Any

from amqp.exceptions import AMQPError
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu import Producer
from redis.exceptions import ResponseError

from config.heartbeat import STALE_SECONDS
from evidence.database.errors import DatabaseRefusal
from evidence.errors import HealthFailure, HealthWarning, StorageUnavailable
from evidence.health import Answer, Part, PartState, read_answers
from evidence.queue.names import QueueName
from evidence.queue.sending import ONCE_MORE, SEND_SECONDS
from evidence.queue.signs import BEAT_KEY, seen_key
from evidence.services.store.marking import check_store

BROKER_SECONDS = 3
BROKER_KEY = "casefile-readiness"
MIB = 1024 * 1024
NEARLY_FULL = 0.1
SERVING = {"ok", "warning", "degraded"}
"""With these, pages work."""


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
    """Return the status of the whole and what each part says."""
    answers = read_answers()
    parts = {
        part.name: {
            "status": answer.state.value,
            "detail": answer.detail,
            "milliseconds": round(answer.milliseconds, 1),
        }
        for part, answer in answers.items()
    }
    return {"status": _sum_up(answers), "parts": parts}


def _sum_up(answers: dict[Part, Answer]) -> str:
    failing = [
        part for part, answer in answers.items() if answer.state is PartState.FAILING
    ]
    if any(part.takes_web_out for part in failing):
        return "failing"
    states = {answer.state for answer in answers.values()}
    if failing or PartState.UNKNOWN in states:
        return "degraded"
    return "warning" if PartState.WARNING in states else "ok"


def check_database() -> str:
    """Ask the database for a row."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseRefusal as error:
        raise HealthFailure(error.message) from error
    return "answers"


def check_broker() -> str:
    """Connect to the broker that carries the tasks, and write to it.

    One that is out of memory, cannot save, or is a replica answers all the same.
    """
    with current_app.connection_for_write() as broker:
        broker.ensure_connection(timeout=BROKER_SECONDS, **ONCE_MORE)
        try:
            _write_to(broker)
        except (ResponseError, AMQPError, OSError) as error:
            raise HealthFailure(f"answers, and takes nothing: {error}") from error
    return "takes what is sent"


def _write_to(broker: Any) -> None:
    """Write what nobody takes and nothing keeps."""
    channel = broker.default_channel
    if broker.transport.driver_type == "redis":
        channel.client.set(BROKER_KEY, 1, ex=BROKER_SECONDS)
    else:
        # No queue has this name; an exchange confirms all the same that it took it.
        Producer(channel).publish(
            "", routing_key=BROKER_KEY, confirm_timeout=SEND_SECONDS
        )


def check_workers() -> str:
    """Look for the heartbeat of a worker for each queue."""
    found = cache.get_many([seen_key(queue) for queue in QueueName])
    missing = [queue.value for queue in QueueName if seen_key(queue) not in found]
    if missing:
        raise HealthFailure(
            f"no worker has taken from {', '.join(missing)} for {STALE_SECONDS} s"
        )
    age = time.time() - min(found.values())
    return f"every queue has one; the last was heard {max(0, round(age))} s ago"


def check_beat() -> str:
    """Look for the scheduler's sign of life."""
    seen_at = cache.get(BEAT_KEY)
    if seen_at is None:
        raise HealthFailure(f"nothing was scheduled for {STALE_SECONDS} s")
    return f"seen {max(0, round(time.time() - seen_at))} s ago"


def check_disk() -> str:
    """Look for room where evidence is kept and where uploads wait."""
    folders = {
        "evidence": settings.EVIDENCE_ROOT,
        "uploads": settings.FILE_UPLOAD_TEMP_DIR or tempfile.gettempdir(),
    }
    told = []
    for name, folder in folders.items():
        usage = shutil.disk_usage(folder)
        share = usage.free / usage.total
        told.append(f"{name}: {usage.free // MIB} MiB ({share:.0%}) free")
        if usage.free < 2 * settings.EVIDENCE_MAX_BYTES:
            raise HealthFailure(
                f"{told[-1]}: there is no room for two of the largest files"
            )
        if share < NEARLY_FULL:
            raise HealthWarning(f"{told[-1]}: the disk is nearly full")
    return "; ".join(told)


def check_evidence_storage() -> str:
    """Read the evidence store's own probe file, and spool one as an upload would."""
    try:
        return check_store()
    except StorageUnavailable as error:
        raise HealthFailure(error.message) from error
