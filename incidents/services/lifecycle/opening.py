"""Opening a case: its reference, its cycle, its phases with their clocks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.audit.history import incident_stream, record_entry
from evidence.lookalikes import quote_name
from evidence.stored_moments import Span
from evidence.text import drop_unstorable, one_line
from incidents.errors import IncidentError
from incidents.models import (
    Cycle,
    Incident,
    PlaybookVersion,
    ReferenceCounter,
    Team,
    TimelineKind,
)
from incidents.services.cycle_plan import document_of, plan_cycle
from incidents.services.lifecycle.restricting import Readers, start_restricted
from incidents.services.notifications.outbox import notify_assignment
from incidents.services.timeline import add_entry
from incidents.workflow.incident_states import (
    IncidentSource,
    Severity,
    format_reference,
)
from policy.models import Extension
from policy.services.extensions import note_extension, require_typed_ids

DETECTION_TIME = Span("a detection time that has passed", ahead=dt.timedelta(minutes=5))
"""How far ahead of ours a detector's clock may be."""
LABEL_LENGTH = 50


@transaction.atomic
def open_incident(
    *,
    actor: Actor,
    playbook_version: PlaybookVersion,
    title: str,
    severity: Severity | None,
    detected_at: dt.datetime,
    source: IncidentSource = IncidentSource.MANUAL,
    extension_ids: Iterable[str] = (),
    lead: User | None = None,
    team: Team | None = None,
    labels: Sequence[str] = (),
    restricted_to: Readers | None = None,
    now: dt.datetime | None = None,
) -> Incident:
    """Open a case with its first cycle; DETECT completes by itself.

    Without a severity it starts as severe as its playbook has it.

    References have no gap and no duplicate: the year's counter stays locked until the
    transaction ends, and one that is rolled back gives its number back. An extension
    that a person names is known already, or has a plain ID that looks like no other.
    `restricted_to` names who sees it, beside its lead and who opens it: nobody else
    ever does.
    """
    require_permission(actor, "incidents.add_incident")
    moment = now or timezone.now()
    detected_at = DETECTION_TIME.require(detected_at, now=moment)
    incident = Incident.objects.create(
        **_next_reference(moment.astimezone(dt.UTC).year),
        title=clean_title(title),
        playbook_version=playbook_version,
        severity=Severity(severity or document_of(playbook_version).default_severity),
        source=IncidentSource(source),
        detected_at=detected_at,
        reported_at=moment,
        opened_by=actor,
        lead=lead,
        team=team,
        labels=clean_labels(labels),
        last_activity_at=moment,
    )
    ids = list(extension_ids)
    if actor is not None:
        require_typed_ids(ids)
    incident.extensions.set(note_extensions(incident, ids, moment))
    cycle = start_cycle(incident, actor=actor, now=moment)
    _record_opening(incident, cycle, actor=actor, now=moment)
    if restricted_to is not None:
        start_restricted(
            incident,
            restricted_to,
            actor=actor,
            reason="Opened as a restricted case.",
            now=moment,
        )
    notify_assignment(
        actor=actor,
        assignee=lead,
        incident=incident,
        what="You lead this new case",
        key="lead:opened",
        now=moment,
    )
    return incident


def start_cycle(
    incident: Incident, *, actor: Actor, now: dt.datetime, reason: str = ""
) -> Cycle:
    """Start the next cycle with its phases and checklist; DETECT is complete."""
    last = incident.cycles.order_by("-number").first()
    cycle = Cycle.objects.create(
        incident=incident,
        number=last.number + 1 if last else 1,
        started_at=now,
        started_by=actor,
        reason=reason,
    )
    incident.current_cycle = cycle
    plan_cycle(incident, cycle, now=now)
    return cycle


def note_extensions(
    incident: Incident, extension_ids: Iterable[str], now: dt.datetime
) -> list[Extension]:
    """Return the extensions of these IDs, made on first mention."""
    wanted = sorted({text.strip() for text in extension_ids if text.strip()})
    return [
        note_extension(extension_id=extension_id, seen_in=incident.reference, now=now)
        for extension_id in wanted
    ]


def clean_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels trimmed and without NUL, each once, in the order given."""
    trimmed = [drop_unstorable(label) for label in labels]
    cleaned = list(dict.fromkeys(label for label in trimmed if label))
    long = [label for label in cleaned if len(label) > LABEL_LENGTH]
    if long:
        raise IncidentError(
            f"A label is too long: it has {len(long[0])} characters, and "
            f"{LABEL_LENGTH} are the most.",
            field="labels",
        )
    return cleaned


def _next_reference(year: int) -> dict[str, object]:
    # Not a sequence: those leave gaps where a transaction is rolled back, and
    # references have none. Who opens a case waits for who opens one just now.
    ReferenceCounter.objects.bulk_create(
        [ReferenceCounter(year=year)], ignore_conflicts=True
    )
    counter = ReferenceCounter.objects.select_for_update().get(year=year)
    counter.last_number += 1
    counter.save(update_fields=["last_number"])
    number = counter.last_number
    return {
        "year": year,
        "number": number,
        "reference": format_reference(year, number),
    }


def clean_title(title: str) -> str:
    """Return the title on one line; raise IncidentError where it does not fit."""
    text = one_line(title)
    limit = Incident._meta.get_field("title").max_length or 0
    if not text or len(text) > limit:
        raise IncidentError(
            f"Give a title of 1 to {limit} characters. This one has {len(text)}.",
            field="title",
        )
    return text


def _record_opening(
    incident: Incident, cycle: Cycle, *, actor: Actor, now: dt.datetime
) -> None:
    version = incident.playbook_version
    names = [extension.extension_id for extension in incident.extensions.all()]
    about = f" about {', '.join(map(quote_name, names))}" if names else ""
    add_entry(
        incident=incident,
        cycle=cycle,
        kind=TimelineKind.STATE,
        body=f"Opened as {version.playbook}, {incident.severity}{about}.",
        actor=actor,
        phase="detect",
        event_at=incident.detected_at,
        now=now,
    )
    record_entry(
        streams=[incident_stream(incident.pk)],
        action="incident.opened",
        actor=actor,
        obj=incident,
        after={
            "reference": incident.reference,
            "title": incident.title,
            "class": version.playbook.code,
            "playbook_version": version.number,
            "severity": incident.severity,
            "source": incident.source,
            "detected_at": incident.detected_at.isoformat(),
            "extensions": names,
            "lead": incident.lead.get_username() if incident.lead else None,
            "team": incident.team.name if incident.team else None,
            "labels": incident.labels,
        },
        now=now,
    )
