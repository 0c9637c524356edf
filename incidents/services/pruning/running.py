"""Pruning as it was approved: step by step, each whole or not at all.

A step is one replay or some hundred alerts. It locks the case, as placing a hold does,
and looks again at all that may stand in the way; so a hold counts from the next step
on. A worker that is killed leaves whole steps behind, and the next goes on after them.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import connection, models, transaction
from django.db.models import Count, Exists, OuterRef, Sum
from django.utils import timezone

from evidence.audit.history import incident_stream, verify_stream
from evidence.errors import CasefileError
from evidence.format import hash_value
from evidence.models import (
    ReplayStep,
    Tombstone,
    TombstoneKind,
    VerificationReport,
    WorkState,
)
from evidence.queue.claiming import (
    TRANSIENT_ERRORS,
    end_work,
    lock_unfinished,
    progress_recorder,
)
from evidence.queue.names import QueueName
from evidence.queue.running import WorkKind, register_kind, run_work
from evidence.services.pruning import digest_stored, prune_replay
from evidence.storable_values import read_back
from incidents.errors import PruningRefused
from incidents.models import Alert, PruneRequest, PruneRun
from incidents.services.changes import lock_incident
from incidents.services.pruning.archived import ArchivedRows, open_rows
from incidents.services.pruning.plan import (
    find_archive_obstacles,
    find_case_obstacles,
)
from incidents.services.pruning.requests import record_pruning, require_no_obstacles

ALERTS_AT_ONCE = 200
SIZES_QUERY = """
    SELECT id, pg_column_size(document) FROM incidents_alert WHERE id = ANY(%s)
"""


def run_pruning(*, run_id: int) -> PruneRun | None:
    """Prune what was approved and return the run, as run_work does."""
    return run_work(RUN, run_id)


def _run(run: PruneRun) -> PruneRun:
    request = PruneRequest.objects.select_related("incident", "archive").get(
        pk=run.request_id
    )
    try:
        _require_history(request)
        with open_rows(request.archive) as rows:
            left = _prune_all(run, request, rows)
    except TRANSIENT_ERRORS:
        raise
    except CasefileError as error:
        return _end(run, WorkState.FAILED, why=error.message)
    return _end(run, WorkState.DONE, left=left)


def _require_history(request: PruneRequest) -> None:
    """Refuse where the archive or the case's history do not hold by now."""
    now = timezone.now()
    obstacles = find_archive_obstacles(request.incident, request.archive, now=now)
    require_no_obstacles([*obstacles])
    faults = verify_stream(incident_stream(request.incident_id))
    if faults:
        raise PruningRefused(
            f"The history of {request.incident.reference} does not hold: "
            f"{len(faults)} faults. Nothing is pruned until it was looked into."
        )


def _prune_all(run: PruneRun, request: PruneRequest, rows: ArchivedRows) -> list[str]:
    """Prune step by step; return what stays, in sentences, and why."""
    note = progress_recorder(run, first=5, last=99)
    left: list[str] = []
    reports = list(find_reports(request.incident_id).values_list("pk", flat=True))
    for place, pk in enumerate(reports):
        note(place / len(reports))
        left += _prune_report(run, request, rows, pk)
    last = 0
    while batch := _next_alerts(request, last):
        last = batch[-1]
        left += _prune_alerts(run, request, rows, batch)
    return left


def find_reports(incident_id: int) -> models.QuerySet[VerificationReport]:
    """Return the reports of a case whose replay has steps in the database."""
    steps = ReplayStep.objects.filter(report=OuterRef("pk"))
    reports = VerificationReport.objects.filter(
        Exists(steps), item__incident=incident_id
    )
    return reports.order_by("pk")


def _prune_report(
    run: PruneRun, request: PruneRequest, rows: ArchivedRows, report_id: int
) -> list[str]:
    report = VerificationReport.objects.select_related("item").get(pk=report_id)
    name = f"The replay of report {report.pk}, of {report.item.original_name}"
    sha256_hex = report.item.sha256_hex
    if rows.reports.get(report.pk) != sha256_hex or sha256_hex not in rows.evidence:
        return [f"{name}, stays: the archive was made before it."]
    # Before the lock: who places a hold does not wait for it.
    found = digest_stored(report.pk)
    with transaction.atomic():
        prune_replay(report, found, **_open_door(run, request))
    return []


@transaction.atomic
def _prune_alerts(
    run: PruneRun, request: PruneRequest, rows: ArchivedRows, keys: list[int]
) -> list[str]:
    stone = _open_door(run, request)
    left = []
    alerts = Alert.objects.select_for_update().filter(
        pk__in=keys, incident=request.incident_id, document__isnull=False
    )
    gone = []
    for alert in alerts.order_by("pk"):
        archived = rows.alerts.get(alert.pk)
        # Of what stands in the row, not of what the row says of itself.
        if archived is None or archived != hash_value(read_back(alert.document)):
            left.append(
                f"The document of alert {alert.alert_id} stays: the archive has no "
                "copy that is the same."
            )
        elif archived != alert.document_sha256:
            left.append(
                f"The document of alert {alert.alert_id} stays: it is not what its "
                "digest says. Verify the records."
            )
        else:
            gone.append(alert)
    _bury(gone, stone)
    return left


def _bury(alerts: list[Alert], stone: dict[str, Any]) -> None:
    keys = [alert.pk for alert in alerts]
    with connection.cursor() as cursor:
        cursor.execute(SIZES_QUERY, [keys])
        sizes = dict(cursor.fetchall())
    Tombstone.objects.bulk_create(
        Tombstone(
            kind=TombstoneKind.ALERT_DOCUMENT,
            row_key=alert.pk,
            row_count=1,
            size_bytes=sizes[alert.pk],
            sha256_hex=alert.document_sha256,
            **stone,
        )
        for alert in alerts
    )
    Alert.objects.filter(pk__in=keys).update(document=None)


def _next_alerts(request: PruneRequest, after: int) -> list[int]:
    rows = Alert.objects.filter(
        incident=request.incident_id, document__isnull=False, pk__gt=after
    )
    return list(rows.order_by("pk").values_list("pk", flat=True)[:ALERTS_AT_ONCE])


def _open_door(run: PruneRun, request: PruneRequest) -> dict[str, Any]:
    """Lock the case, refuse what stands in the way by now; return a tombstone's facts.

    The database looks again at each tombstone.
    """
    incident = lock_incident(request.incident_id)
    now = timezone.now()
    if not PruneRun.objects.filter(pk=run.pk, state=WorkState.RUNNING).exists():
        raise PruningRefused("This pruning was ended meanwhile.")
    require_no_obstacles([*find_case_obstacles(incident, now=now)])
    return {
        "incident": incident,
        "request": request,
        "archive": request.archive,
        "archive_sha256_hex": request.archive.sha256_hex,
        "pruned_at": now,
        "requested_by_id": request.requested_by_id,
        "approved_by_id": request.decided_by_id,
    }


def _give_up(run: PruneRun, why: str) -> PruneRun:
    return _end(run, WorkState.GAVE_UP, why=why)


@transaction.atomic
def _end(
    run: PruneRun, state: WorkState, *, why: str = "", left: list[str] | None = None
) -> PruneRun:
    """End the run and record what it came to: how much went, and what stopped it."""
    request = PruneRequest.objects.select_related("archive").get(pk=run.request_id)
    request.incident = lock_incident(request.incident_id)
    locked = lock_unfinished(run)
    if locked is None:
        return PruneRun.objects.get(pk=run.pk)
    now = timezone.now()
    locked.left = left or []
    end_work(locked, state, now=now, failure=why)
    _record_end(request, locked, now)
    return locked


def _record_end(request: PruneRequest, run: PruneRun, now: dt.datetime) -> None:
    went = count_pruned(request)
    is_done = run.state == WorkState.DONE
    said = "Pruned" if is_done else "Pruning stopped"
    record_pruning(
        request,
        "pruning.done" if is_done else "pruning.stopped",
        None,
        now,
        reason="" if is_done else f"{run.failure[:1].upper()}{run.failure[1:]}",
        body=f"**{said}**: {went['rows']} rows, of which {went['tombstones']} "
        f"tombstones stay. They are in archive {request.archive_id}, SHA-256 "
        f"`{request.archive.sha256_hex}`",
        after={**went, "left": len(run.left)},
    )


def count_pruned(request: PruneRequest) -> dict[str, Any]:
    """Return how much of a request went, and a digest over its tombstones."""
    stones = Tombstone.objects.filter(request=request)
    found = stones.aggregate(
        tombstones=Count("pk"), rows=Sum("row_count"), bytes=Sum("size_bytes")
    )
    digests = stones.order_by("pk").values_list("kind", "row_key", "sha256_hex")
    return {
        "tombstones": found["tombstones"],
        "rows": found["rows"] or 0,
        "bytes": found["bytes"] or 0,
        "tombstones_sha256_hex": hash_value([list(row) for row in digests]),
    }


RUN = register_kind(
    WorkKind(
        model=PruneRun,
        task="incidents.prune_case",
        run=_run,
        give_up=_give_up,
        find_answer=lambda run: run,
        find_queue=lambda run: QueueName.DOCUMENTS,
    )
)
