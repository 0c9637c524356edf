"""Asking for a case's archive, and handing one out."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.models import WorkState
from evidence.queue.claiming import end_work, lock_unfinished, progress_recorder
from evidence.queue.names import QueueName
from evidence.queue.running import WorkKind, queue_work, register_kind, run_work
from evidence.services.store.claims import claim_bytes
from incidents.models import CaseArchive, Incident, TimelineKind
from incidents.services.archives.making import make_archive
from incidents.services.changes import lock_incident, record_change
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.gates.gathering import gather_postmortem
from incidents.workflow.gates import ConditionKey
from incidents.workflow.phases import Phase

MAKE = "incidents.make_casearchive"
DOWNLOAD = "incidents.download_casearchive"


@transaction.atomic
def request_archive(
    *, incident_id: int, actor: Actor, now: dt.datetime | None = None
) -> CaseArchive:
    """Ask for an archive of a case as it stands now; a worker makes it."""
    require_permission(actor, MAKE)
    incident = lock_incident(incident_id)
    return queue_archive(incident, actor=actor, now=now or timezone.now())


def queue_archive(incident: Incident, *, actor: Actor, now: dt.datetime) -> CaseArchive:
    """Have a locked case archived, inside the caller's transaction."""
    archive = CaseArchive.objects.create(
        incident=incident, requested_by=actor, requested_at=now, touched_at=now
    )
    if actor is not None:
        record_change(
            incident,
            action="archive.requested",
            actor=actor,
            now=now,
            kind=TimelineKind.EVIDENCE,
            body="**Archive of the case asked for**",
            after={"archive": archive.pk},
        )
    queue_work(archive)
    return archive


def run_archive(*, archive_id: int) -> CaseArchive | None:
    """Make the archive that was asked for and return it, as run_work does."""
    return run_work(ARCHIVE, archive_id)


def _make(archive: CaseArchive) -> CaseArchive:
    made = make_archive(archive, note=progress_recorder(archive, first=2, last=98))
    # Only now: to make it takes minutes, in which people go on with the case.
    with transaction.atomic():
        incident = lock_incident(archive.incident_id)
        locked = lock_unfinished(archive)
        if locked is None:
            return CaseArchive.objects.get(pk=archive.pk)
        now = timezone.now()
        claim_bytes(made.sha256_hex, now=now)
        locked.sha256_hex = made.sha256_hex
        locked.size_bytes = made.size_bytes
        locked.checkpoint_size = made.checkpoint_size
        end_work(locked, WorkState.DONE, now=now)
        record_change(
            incident,
            action="archive.made",
            actor=None,
            now=now,
            kind=TimelineKind.EVIDENCE,
            body="**The case was archived**, and the archive's own checker found "
            f"nothing\n\nSHA-256 `{made.sha256_hex}`",
            after={
                "archive": locked.pk,
                "sha256_hex": made.sha256_hex,
                "size_bytes": made.size_bytes,
                "checkpoint_size": made.checkpoint_size,
            },
        )
        _answer_item(incident, locked, now)
        return locked


def list_stored_archives() -> QuerySet[CaseArchive, Any]:
    """Return (digest, when it was made) of every archive that the store has."""
    made = CaseArchive.objects.filter(state=WorkState.DONE)
    return made.order_by().values_list("sha256_hex", "finished_at")


def _answer_item(incident: Incident, archive: CaseArchive, now: dt.datetime) -> None:
    """Answer the checklist's item where the archive holds the signed postmortem."""
    cycle = incident.current_cycle
    phase = cycle.phases.filter(phase=Phase.POSTMORTEM).first()
    if phase is None or phase.completed_at or not incident.is_open:
        return
    fact = gather_postmortem(cycle)
    if fact is not None and fact.artifacts_archived:
        answer_matching_item(
            cycle,
            ConditionKey.ARTIFACTS_ARCHIVED,
            actor=None,
            now=now,
            note=f"Archive {archive.pk} holds the case and passed its checker.",
        )


@transaction.atomic
def _give_up(archive: CaseArchive, why: str) -> CaseArchive | None:
    incident = lock_incident(archive.incident_id)
    locked = lock_unfinished(archive)
    if locked is None:
        return CaseArchive.objects.get(pk=archive.pk)
    now = timezone.now()
    end_work(locked, WorkState.GAVE_UP, now=now, failure=why)
    record_change(
        incident,
        action="archive.given_up",
        actor=None,
        now=now,
        kind=TimelineKind.EVIDENCE,
        body="**The case could not be archived**",
        reason=f"{why[:1].upper()}{why[1:]}",
        after={"archive": locked.pk},
    )
    return None


ARCHIVE = register_kind(
    WorkKind(
        model=CaseArchive,
        task="incidents.make_archive",
        run=_make,
        give_up=_give_up,
        find_answer=lambda archive: archive if archive.sha256_hex else None,
        find_queue=lambda archive: QueueName.DOCUMENTS,
    )
)


def open_archive(*, archive_id: int, actor: Actor) -> storage.Chunks:
    """Open an archive for download, its digest checked, and record who took it."""
    require_permission(actor, DOWNLOAD)
    archive = CaseArchive.objects.get(pk=archive_id, state=WorkState.DONE)
    file = storage.open_intact(archive.sha256_hex)
    try:
        _record_download(archive, actor=actor)
    except BaseException:
        file.close()
        raise
    return storage.Chunks(file)


@transaction.atomic
def _record_download(archive: CaseArchive, *, actor: Actor) -> None:
    incident = lock_incident(archive.incident_id)
    record_change(
        incident,
        action="archive.downloaded",
        actor=actor,
        now=timezone.now(),
        kind=TimelineKind.EVIDENCE,
        body="**Archive of the case downloaded**",
        after={"archive": archive.pk, "sha256_hex": archive.sha256_hex},
    )
