"""Asking for a case's archive, and handing one out."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from evidence import storage
from evidence.accounts.access import Actor, require_permission
from evidence.database.reading import Purpose, written_for_reader
from evidence.format import DocumentRefused, IncidentBundleRedactionPolicy
from evidence.handling import strictest
from evidence.models import Channel, WorkState
from evidence.queue.claiming import end_work, lock_unfinished, progress_recorder
from evidence.queue.names import QueueName
from evidence.queue.running import WorkKind, queue_work, register_kind, run_work
from evidence.services.store.claims import claim_bytes
from incidents.errors import ArchiveLeaks, IncidentError
from incidents.models import CaseArchive, Incident, TimelineKind
from incidents.services.archives.copies import RedactedContents
from incidents.services.archives.freezing import freeze_case
from incidents.services.archives.making import Contents, make_archive
from incidents.services.changes import lock_incident, record_change
from incidents.services.checklist_entries import answer_matching_item
from incidents.services.gates.gathering import gather_postmortem
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.phases import Phase

MAKE = "incidents.make_casearchive"
DOWNLOAD = "incidents.download_casearchive"


@written_for_reader(Purpose.ARCHIVE)
@transaction.atomic
def request_archive(
    *,
    incident_id: int,
    actor: Actor,
    redaction: dict[str, Any] | None = None,
    deep: bool = False,
    now: dt.datetime | None = None,
) -> CaseArchive:
    """Ask for an archive of a case as it stands now; a worker makes it.

    `redaction` are the flags of docs/evidence-format.md, section 5; None, or without a
    flag that is set, it is whole. `deep` takes out what leaks, where a leak fails the
    archive otherwise. Raise IncidentError for flags that the format does not know.
    """
    require_permission(actor, MAKE)
    flags = _read_flags(redaction)
    if deep and flags is None:
        raise IncidentError(
            "Choose what is to be redacted: without a flag, nothing can leak.",
            code="nothing_redacted",
            field="redaction",
        )
    incident = lock_incident(incident_id, actor)
    moment = now or timezone.now()
    return queue_archive(incident, actor=actor, now=moment, redaction=flags, deep=deep)


def queue_archive(
    incident: Incident,
    *,
    actor: Actor,
    now: dt.datetime,
    redaction: dict[str, bool] | None = None,
    deep: bool = False,
) -> CaseArchive:
    """Have a locked case archived as it stands, inside the caller's transaction."""
    own = incident.evidence_items.values_list("own_tlp", flat=True).distinct()
    archive = CaseArchive.objects.create(
        incident=incident,
        requested_by=actor,
        requested_at=now,
        touched_at=now,
        redaction=redaction,
        deep=deep,
        own_tlp=strictest(incident.tlp, *own).value,
    )
    if actor is not None:
        record_change(
            incident,
            action="archive.requested",
            actor=actor,
            now=now,
            kind=TimelineKind.EVIDENCE,
            body=f"**Archive of the case asked for**, {archive.redaction_words}",
            after={"archive": archive.pk, "redaction": redaction, "deep": deep},
        )
    freeze_case(archive)
    queue_work(archive)
    return archive


def run_archive(*, archive_id: int) -> CaseArchive | None:
    """Make the archive that was asked for and return it, as run_work does."""
    return run_work(ARCHIVE, archive_id)


def _make(archive: CaseArchive) -> CaseArchive:
    note = progress_recorder(archive, first=2, last=98)
    make = RedactedContents if archive.is_redacted else Contents
    try:
        made = make_archive(archive, make_contents=make, note=note)
    except ArchiveLeaks as error:
        return _end_without(archive, WorkState.FAILED, error.message)
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
        made.seal.save()
        record_change(
            incident,
            action="archive.made",
            actor=None,
            now=now,
            kind=TimelineKind.EVIDENCE,
            body=f"**The case was archived**, {locked.redaction_words}, and the "
            f"archive's own checker found nothing\n\nSHA-256 `{made.sha256_hex}`",
            after={
                "archive": locked.pk,
                "sha256_hex": made.sha256_hex,
                "size_bytes": made.size_bytes,
                "checkpoint_size": made.checkpoint_size,
                "redaction": locked.redaction,
                "deep": locked.deep,
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


def _read_flags(redaction: dict[str, Any] | None) -> dict[str, bool] | None:
    """Return all six flags; None where none is set."""
    try:
        policy = IncidentBundleRedactionPolicy.from_dict(redaction or {})
    except DocumentRefused as refusal:
        raise IncidentError(
            str(refusal), code="invalid_redaction", field="redaction"
        ) from refusal
    return policy.as_dict() if policy.flags else None


def _give_up(archive: CaseArchive, why: str) -> CaseArchive | None:
    _end_without(archive, WorkState.GAVE_UP, why)
    return None


@transaction.atomic
def _end_without(archive: CaseArchive, state: WorkState, why: str) -> CaseArchive:
    """End the work with no archive, and say why."""
    incident = lock_incident(archive.incident_id)
    locked = lock_unfinished(archive)
    if locked is None:
        return CaseArchive.objects.get(pk=archive.pk)
    now = timezone.now()
    end_work(locked, state, now=now, failure=why)
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
    return locked


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


def require_download(archive: CaseArchive, actor: Actor) -> None:
    """Raise PermissionRefused for who may not take an archive.

    An unredacted one takes a right of its own; a redacted one may be taken by those
    who may have it made.
    """
    require_permission(actor, MAKE if archive.is_redacted else DOWNLOAD)


def open_archive(
    *,
    archive_id: int,
    actor: Actor,
    channel: Channel,
    ip_address: str | None = None,
) -> storage.Chunks:
    """Open an archive for download, its digest checked, and record who took it."""
    archive = CaseArchive.objects.get(pk=archive_id, state=WorkState.DONE)
    require_download(archive, actor)
    file = storage.open_intact(archive.sha256_hex)
    try:
        _record_download(archive, actor=actor, channel=channel, ip_address=ip_address)
    except BaseException:
        file.close()
        raise
    return storage.Chunks(file)


@written_for_reader(Purpose.ARCHIVE)
@transaction.atomic
def _record_download(
    archive: CaseArchive, *, actor: Actor, channel: Channel, ip_address: str | None
) -> None:
    incident = lock_incident(archive.incident_id, actor)
    record_change(
        incident,
        action="archive.downloaded",
        actor=actor,
        now=timezone.now(),
        kind=TimelineKind.EVIDENCE,
        body=f"**Archive of the case downloaded**, {archive.redaction_words}",
        after={
            "archive": archive.pk,
            "sha256_hex": archive.sha256_hex,
            "channel": str(channel),
            "ip_address": ip_address,
        },
    )
