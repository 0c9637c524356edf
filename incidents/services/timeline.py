"""The timeline of a case: notes, events and state changes, appended, never altered."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, name_of, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.models.case_bound import shown_to
from evidence.stored_moments import Span
from evidence.text import storable, tidy_text
from incidents.errors import IncidentError
from incidents.models import Cycle, Incident, TimelineEntry, TimelineKind

BODY_LENGTH = 20_000
WRITABLE_KINDS = (TimelineKind.NOTE, TimelineKind.EVENT, TimelineKind.DECISION)
"""What a person may write; the other kinds are written by the services."""
EVENT_TIME = Span("an event that has happened", ahead=dt.timedelta(minutes=1))
"""How far ahead of ours the clock of the person who writes may be."""


def add_entry(
    *,
    incident: Incident,
    kind: TimelineKind,
    body: str,
    actor: Actor,
    cycle: Cycle | None = None,
    phase: str = "",
    event_at: dt.datetime | None = None,
    corrects: TimelineEntry | None = None,
    now: dt.datetime | None = None,
) -> TimelineEntry:
    """Append one line inside the transaction of the change that it tells of.

    Checks nothing and writes no audit entry: the service that calls it does both.
    `body` is Markdown; `event_at` defaults to the moment of entry.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError(
            "add_entry() belongs inside the transaction of the change it tells of"
        )
    moment = now or timezone.now()
    entry = TimelineEntry.objects.create(
        incident=incident,
        cycle=cycle or incident.current_cycle,
        kind=kind,
        phase=phase,
        event_at=event_at or moment,
        entered_at=moment,
        author=actor,
        author_name=name_of(actor),
        body=storable(body),
        corrects=corrects,
    )
    touch(incident, moment)
    return entry


def touch(incident: Incident, moment: dt.datetime) -> None:
    """Move the case's last activity forward to `moment`, never back."""
    Incident.objects.filter(pk=incident.pk, last_activity_at__lt=moment).update(
        last_activity_at=moment
    )
    incident.last_activity_at = max(incident.last_activity_at, moment)


@transaction.atomic
def write_entry(
    *,
    actor: Actor,
    incident_id: int,
    body: str,
    kind: TimelineKind = TimelineKind.NOTE,
    event_at: dt.datetime | None = None,
    phase: str = "",
    corrects_id: int | None = None,
    now: dt.datetime | None = None,
) -> TimelineEntry:
    """Write a note, an event or a decision, or correct an entry of the same case.

    A correction is a new entry that names the old one and takes over its kind and
    event time; both stay. A closed case still takes notes: history does not stop.
    """
    require_permission(actor, "incidents.work_incident")
    moment = now or timezone.now()
    cases = shown_to(actor, Incident.objects.select_for_update())
    incident = cases.get(pk=incident_id)
    corrected = _find_corrected(incident, corrects_id)
    text = _require_body(body)
    if corrected is not None:
        kind = TimelineKind(corrected.kind)
        event_at = event_at or corrected.event_at
        phase = phase or corrected.phase
    elif kind not in WRITABLE_KINDS:
        raise IncidentError(
            "People write notes, events and decisions; the system writes the other "
            f"kinds. Given: {kind}."
        )
    if event_at is not None:
        event_at = EVENT_TIME.require(event_at, now=moment)
    entry = add_entry(
        incident=incident,
        kind=kind,
        body=text,
        actor=actor,
        phase=phase or incident.current_phase_name,
        event_at=event_at,
        corrects=corrected,
        now=moment,
    )
    record_entry(
        streams=[incident_stream(incident.pk)],
        action="timeline.corrected" if corrected else "timeline.written",
        actor=actor,
        obj=entry,
        after={
            "kind": entry.kind,
            "event_at": entry.event_at.isoformat(),
            "corrects": corrects_id,
        },
        now=moment,
    )
    return entry


def _require_body(body: str) -> str:
    text = tidy_text(body)
    if not text:
        raise IncidentError("The text is missing. Write what happened.", field="body")
    if len(text) > BODY_LENGTH:
        raise IncidentError(
            f"The text is too long: it has {len(text)} characters, and {BODY_LENGTH} "
            "are the most. Attach longer text as evidence.",
            field="body",
        )
    return text


def _find_corrected(incident: Incident, entry_id: int | None) -> TimelineEntry | None:
    if entry_id is None:
        return None
    corrected = incident.timeline.filter(pk=entry_id).first()
    if corrected is None:
        raise IncidentError(
            "The entry to correct is not one of this case.", field="corrects"
        )
    return corrected
