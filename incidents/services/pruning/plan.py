"""What pruning a case would take, what is in the way, and which archive has it all."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings
from django.db import connection

from evidence.accounts.access import name_of
from evidence.audit.history import incident_stream
from evidence.audit.log.reading import leaf_proof, newest_checkpoint, read_hashes
from evidence.errors import CasefileError
from evidence.models import (
    UNFINISHED_STATES,
    AuditEntry,
    LogCheckpoint,
    TombstoneKind,
    WorkState,
)
from evidence.proof.tree import root_of
from incidents.models import CaseArchive, Incident
from incidents.services.archives.bucket_copies import find_copy_obstacle
from incidents.services.lifecycle.holds import find_hold

ALERTS_QUERY = """
    SELECT count(*), count(*), COALESCE(sum(pg_column_size(document)), 0)
      FROM incidents_alert WHERE incident_id = %s AND document IS NOT NULL
"""
REPLAYS_QUERY = """
    SELECT count(DISTINCT step.report_id), count(*),
           COALESCE(sum(pg_column_size(step.*)), 0)
      FROM evidence_replaystep AS step
      JOIN evidence_verificationreport AS report ON report.id = step.report_id
      JOIN evidence_evidenceitem AS item ON item.id = report.item_id
     WHERE item.incident_id = %s
"""
QUERIES = {
    TombstoneKind.REPLAY: REPLAYS_QUERY,
    TombstoneKind.ALERT_DOCUMENT: ALERTS_QUERY,
}


@dataclass(frozen=True)
class PlannedKind:
    """What would go of one kind: so many replays or documents, rows and bytes."""

    kind: TombstoneKind
    things: int
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class PrunePlan:
    """What would go of a case, and every reason why it cannot go now."""

    incident: Incident
    archive: CaseArchive | None
    kinds: tuple[PlannedKind, ...]
    obstacles: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        return sum(kind.size_bytes for kind in self.kinds)

    def as_document(self) -> dict[str, dict[str, int]]:
        """Return what would go as it is kept with a request."""
        return {
            kind.kind.value: {
                "things": kind.things,
                "rows": kind.rows,
                "bytes": kind.size_bytes,
            }
            for kind in self.kinds
        }


def plan_pruning(incident: Incident, *, now: dt.datetime) -> PrunePlan:
    """Return what could go of a case, and what is in the way. It reads every row."""
    archive = find_whole_archive(incident)
    kinds = tuple(_planned(incident, kind) for kind in TombstoneKind)
    obstacles = [
        *find_case_obstacles(incident, now=now),
        *find_archive_obstacles(incident, archive, now=now),
    ]
    if not any(kind.rows for kind in kinds):
        obstacles.append(
            f"{incident.reference} has nothing to prune: no replay steps, and no "
            "documents of alerts."
        )
    return PrunePlan(incident, archive, kinds, tuple(obstacles))


def find_whole_archive(incident: Incident) -> CaseArchive | None:
    """Return the newest archive that has all of a closed case in it."""
    if incident.closed_at is None:
        return None
    made = CaseArchive.objects.filter(
        incident=incident,
        state=WorkState.DONE,
        redaction__isnull=True,
        requested_at__gte=incident.closed_at,
    )
    return made.order_by("-requested_at", "-pk").first()


def prunable_from(incident: Incident) -> dt.datetime | None:
    """Return since when a closed case may be pruned; None where never."""
    days = settings.CASE_RETENTION_DAYS
    if not days or incident.closed_at is None:
        return None
    return incident.closed_at + dt.timedelta(days=days)


def find_case_obstacles(incident: Incident, *, now: dt.datetime) -> Iterator[str]:
    """Yield what of the case itself is in the way, the setting included."""
    if not settings.CASE_RETENTION_DAYS:
        yield (
            "Nothing is pruned here: CASE_RETENTION_DAYS is not set. It says how many "
            "days after closing a case may be pruned."
        )
    due = prunable_from(incident)
    if incident.closed_at is None:
        yield f"{incident.reference} is open. Only a closed case is pruned."
    elif due is not None and due > now:
        yield (
            f"{incident.reference} was closed at {_minute(incident.closed_at)}, and "
            f"can be pruned from {_minute(due)}."
        )
    making = CaseArchive.objects.filter(incident=incident, state__in=UNFINISHED_STATES)
    if making.exists():
        yield (
            f"An archive of {incident.reference} is being made. Wait until it is: it "
            "reads what would be pruned."
        )
    hold = find_hold(incident)
    if hold is not None:
        yield (
            f"{incident.reference} is on hold: {name_of(hold.held_by)} put it there "
            f"at {_minute(hold.held_at)}. Nothing of it is pruned until a reviewer "
            "releases it."
        )


def find_archive_obstacles(
    incident: Incident, archive: CaseArchive | None, *, now: dt.datetime
) -> Iterator[str]:
    """Yield why an archive is not enough to prune a case by."""
    if archive is None:
        if incident.closed_at is not None:
            yield (
                f"{incident.reference} has no whole archive made since it was closed. "
                "Have one made, without redaction."
            )
        return
    entry = AuditEntry.objects.filter(
        stream=incident_stream(incident.pk),
        action="archive.made",
        after__archive=archive.pk,
        after__sha256_hex=archive.sha256_hex,
        after__checkpoint_size=archive.checkpoint_size,
    ).first()
    if entry is None:
        yield f"The history does not say that archive {archive.pk} was made."
        return
    try:
        leaf_proof(entry, newest_checkpoint())
    except CasefileError:
        yield (
            f"That archive {archive.pk} was made stands under no checkpoint of the "
            "history log yet: it does within a minute."
        )
    if lacking := find_copy_obstacle(archive, now=now):
        yield lacking
    if not _has_checkpoint(archive):
        yield (
            f"The checkpoint that archive {archive.pk} was made under is not one of "
            "today's history. Verify the history before anything is pruned."
        )


def _has_checkpoint(archive: CaseArchive) -> bool:
    """Return whether the archive's checkpoint is held, and today's tree extends it."""
    size = archive.checkpoint_size or 0
    held = LogCheckpoint.objects.filter(tree_size=size).first()
    if held is None:
        return False
    try:
        return root_of(size, read_hashes).hex() == held.root_hex
    except CasefileError:
        return False


def _planned(incident: Incident, kind: TombstoneKind) -> PlannedKind:
    with connection.cursor() as cursor:
        cursor.execute(QUERIES[kind], [incident.pk])
        things, rows, size = cursor.fetchone()
    return PlannedKind(kind, int(things), int(rows), int(size))


def _minute(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
