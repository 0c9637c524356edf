"""Damaged evidence: a case of class INC-3 is opened about it, and people are told."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from evidence.lookalikes import quote_name
from evidence.models import EvidenceItem, StoreFault
from incidents.models import (
    Incident,
    NotificationKind,
    PlaybookVersion,
    TimelineKind,
)
from incidents.services.changes import lock_incident, record_change
from incidents.services.lifecycle.opening import open_incident
from incidents.services.notifications.notices import TOLD
from incidents.services.notifications.outbox import Message, make_rows, write_down
from incidents.services.notifications.recipients import Audience
from incidents.workflow.incident_states import IncidentSource

log = logging.getLogger(__name__)

PLAYBOOK = "INC-3"
LOCK_KEY = 0x0CA5EFA7
NAMED_FAULTS = 10
TITLE = "Stored evidence is damaged or missing"


@transaction.atomic
def follow_store_faults(*, now: dt.datetime | None = None) -> Incident | None:
    """Give every fault without a case its case; return it, or None for no such fault.

    While a case about damaged evidence is open, faults join it: a disk that dies opens
    one case. Those who answer for evidence are told once for each time faults are
    found. Where INC-3 is not loaded they are told all the same.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])
    moment = now or timezone.now()
    faults = list(StoreFault.everything.filter(incident__isnull=True).order_by("pk"))
    if not faults:
        return None
    incident = _find_case() or _open_case(moment)
    if incident is None:
        log.error("no playbook %s is loaded: no case about %s", PLAYBOOK, TITLE)
    else:
        _join(incident, faults, moment)
    _tell(faults, incident, moment)
    return incident


def _find_case() -> Incident | None:
    found = (
        Incident.objects.open()
        .filter(store_faults__isnull=False, source=IncidentSource.SELF_CHECK)
        .order_by("-pk")
        .first()
    )
    # It may be closed while this waits; the faults still are that case's, then.
    return lock_incident(found.pk) if found else None


def _open_case(now: dt.datetime) -> Incident | None:
    versions = PlaybookVersion.objects.filter(playbook__code=PLAYBOOK)
    version = versions.order_by("-number").first()
    if version is None:
        return None
    return open_incident(
        actor=None,
        playbook_version=version,
        title=TITLE,
        severity=None,
        detected_at=now,
        source=IncidentSource.SELF_CHECK,
        now=now,
    )


def _join(incident: Incident, faults: Sequence[StoreFault], now: dt.datetime) -> None:
    """Name the case in the faults, and the faults in the case and in their items'."""
    StoreFault.everything.filter(pk__in=[fault.pk for fault in faults]).update(
        incident=incident
    )
    items = list(
        EvidenceItem.objects.filter(
            sha256_hex__in=[fault.sha256_hex for fault in faults]
        )
        .select_related("incident")
        .order_by("incident_id", "pk")
    )
    record_change(
        incident,
        action="store_faults.joined",
        actor=None,
        now=now,
        kind=TimelineKind.ALERT,
        body=_describe(faults, items),
        after={"faults": [fault.pk for fault in faults]},
    )


def _describe(faults: Sequence[StoreFault], items: Sequence[EvidenceItem]) -> str:
    by_digest: dict[str, list[EvidenceItem]] = {}
    for item in items:
        by_digest.setdefault(item.sha256_hex, []).append(item)
    lines = [
        f"- {fault.get_kind_display()}: SHA-256 `{fault.sha256_hex}`, "
        f"{_owners(by_digest.get(fault.sha256_hex, []))}. {fault.detail}"
        for fault in faults[:NAMED_FAULTS]
    ]
    more = len(faults) - NAMED_FAULTS
    if more > 0:
        lines.append(f"- and {more} more, which the list of store faults has.")
    return "\n".join(["A check of the evidence store found:", "", *lines])


def _owners(items: Sequence[EvidenceItem]) -> str:
    if not items:
        return "a file that Casefile made itself"
    names = [
        f"{quote_name(item.original_name)} of {item.incident.reference}"
        for item in items[:NAMED_FAULTS]
    ]
    return ", ".join(names)


def _tell(
    faults: Sequence[StoreFault], incident: Incident | None, now: dt.datetime
) -> None:
    """Tell who answers for evidence, once for each of these faults; at any hour."""
    first = faults[0]
    count = "One stored file is" if len(faults) == 1 else f"{len(faults)} files are"
    message = Message(
        f"store-fault:{first.pk}",
        NotificationKind.REMINDER,
        f"{count} damaged or missing in the evidence store",
        incident or first,
        now,
        incident=incident,
    )
    audience = Audience()
    people = User.objects.filter(is_active=True, groups__name__in=TOLD).distinct()
    targets = audience.targets_of(people.order_by("pk"), kind=message.kind)
    if incident is not None:
        targets += audience.shared_targets(incident, kind=message.kind)
    write_down(make_rows(message, targets, now=now))
