"""What people say to findings: confirmed, which answers the item, or overruled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import require_permission
from evidence.text import REASON_LENGTH
from incidents.errors import IncidentError
from incidents.findings import Verdict
from incidents.models import (
    ChecklistItem,
    Finding,
    FindingReview,
    Incident,
    ReviewChoice,
)
from incidents.services.changes import WORK, lock_incident, require_reason
from incidents.services.checklists.answers import answer_item, lock_item, record_on_item
from incidents.services.findings.gathering import current_findings
from incidents.services.findings.words import code_of, newest_review, title_of
from incidents.workflow.incident_states import ItemState

CHANGED = (
    "The findings changed since this page was drawn, or somebody reviewed one of them. "
    "Nothing was confirmed: read the page again."
)


def findings_of(incident: Incident) -> dict[str, list[Finding]]:
    """Return the newest answers to the case's class, by the checklist item."""
    found: dict[str, list[Finding]] = {}
    for finding in current_findings(incident, code=code_of(incident)):
        found.setdefault(finding.item_key, []).append(finding)
    return found


@transaction.atomic
def confirm_findings(
    *,
    actor: User,
    item_id: int,
    shown: Collection[int] | None = None,
    now: dt.datetime | None = None,
) -> ChecklistItem:
    """Confirm what the evidence says to an item; an open item is answered with it.

    Confirmed are the newest answers that say something and that nobody reviewed yet.
    Raise IncidentError where there are none, or where they are not those that a person
    was `shown`, by their keys.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident, item = lock_item(item_id, actor=actor)
    waiting = _waiting(findings_of(incident).get(item.key, []))
    if not waiting:
        raise IncidentError(
            "There is nothing to confirm here: no finding says anything that was not "
            "reviewed yet. Answer the item with a note."
        )
    if shown is not None and {finding.pk for finding in waiting} != set(shown):
        raise IncidentError(CHANGED)
    for finding in waiting:
        _review(finding, ReviewChoice.CONFIRMED, actor=actor, reason="", now=moment)
    _record(incident, item, "finding.confirmed", waiting, "", actor=actor, now=moment)
    if not item.is_open:
        return item
    note = "\n\n".join(finding.sentence for finding in waiting)[:REASON_LENGTH]
    return answer_item(
        actor=actor, item_id=item_id, state=ItemState.DONE, note=note, now=moment
    )


@transaction.atomic
def confirm_shown(
    *,
    actor: User,
    incident_id: int,
    finding_ids: Collection[int],
    now: dt.datetime | None = None,
) -> list[ChecklistItem]:
    """Confirm the findings that a person was shown, all or none; return their items.

    Raise IncidentError where one of them was replaced or reviewed meanwhile, or another
    one came to its item: nobody confirms what they did not see.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_incident(incident_id, actor)
    shown = set(finding_ids)
    waiting = {
        key: {finding.pk for finding in _waiting(findings)}
        for key, findings in findings_of(incident).items()
    }
    keys = [key for key, ids in waiting.items() if ids & shown]
    if not shown or set().union(*(waiting[key] for key in keys)) != shown:
        raise IncidentError(CHANGED)
    items = incident.current_cycle.checklist.asked().filter(key__in=keys)
    return [
        confirm_findings(actor=actor, item_id=item.pk, now=moment) for item in items
    ]


def _waiting(findings: Iterable[Finding]) -> list[Finding]:
    """Return the answers that say something and that nobody reviewed yet."""
    return [
        finding
        for finding in findings
        if finding.verdict != Verdict.UNKNOWN and newest_review(finding) is None
    ]


@transaction.atomic
def overrule_finding(
    *,
    actor: User,
    item_id: int,
    finding_id: int,
    reason: str,
    now: dt.datetime | None = None,
) -> FindingReview:
    """Overrule a finding, with a reason; the item stays for a person to answer.

    Raise IncidentError where a newer answer took its place.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    why = require_reason(reason)
    incident, item = lock_item(item_id, actor=actor)
    answers = findings_of(incident).get(item.key, [])
    finding = next((answer for answer in answers if answer.pk == finding_id), None)
    if finding is None:
        raise IncidentError(
            "This finding was replaced by a newer one: read the page again."
        )
    review = _review(
        finding, ReviewChoice.OVERRULED, actor=actor, reason=why, now=moment
    )
    _record(
        incident, item, "finding.overruled", [finding], why, actor=actor, now=moment
    )
    return review


def _review(
    finding: Finding,
    choice: ReviewChoice,
    *,
    actor: User,
    reason: str,
    now: dt.datetime,
) -> FindingReview:
    return FindingReview.objects.create(
        finding=finding,
        choice=choice,
        reason=reason,
        reviewed_at=now,
        reviewed_by=actor,
    )


def _record(
    incident: Incident,
    item: ChecklistItem,
    action: str,
    findings: list[Finding],
    reason: str,
    *,
    actor: User,
    now: dt.datetime,
) -> None:
    said = "confirmed" if action == "finding.confirmed" else "overruled"
    titles = "; ".join(f"{title_of(finding)} {finding.verdict}" for finding in findings)
    record_on_item(
        incident,
        item,
        action,
        f"Finding **{said}**: {titles}",
        reason,
        actor=actor,
        after={"key": item.key, "findings": [finding.pk for finding in findings]},
        now=now,
    )
