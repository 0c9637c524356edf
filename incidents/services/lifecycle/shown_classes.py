"""What a case's evidence shows besides its own class, and a case of its own for it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import require_permission
from incidents.errors import IncidentError
from incidents.models import Incident, Playbook, ReviewChoice
from incidents.services.changes import WORK, lock_open_incident
from incidents.services.findings.gathering import current_findings
from incidents.services.findings.words import (
    code_of,
    newest_review,
    shows_incident,
)
from incidents.services.lifecycle.links import link_related
from incidents.services.lifecycle.opening import open_incident


@dataclass(frozen=True)
class ShownClass:
    """Another class whose incident the evidence shows: how, and by how many records.

    `case` is a related case of that class, where there is one.
    """

    code: str
    sentence: str
    count: int
    case: Incident | None


def other_classes(incident: Incident) -> list[ShownClass]:
    """Return what the evidence shows besides the case's own class.

    What a person overruled is shown no longer.
    """
    own = code_of(incident)
    related = {
        other.playbook_version.playbook.code: other
        for other in incident.related.select_related("playbook_version__playbook")
    }
    shown: dict[str, ShownClass] = {}
    for finding in current_findings(incident):
        review = newest_review(finding)
        is_overruled = review is not None and review.choice == ReviewChoice.OVERRULED
        if finding.code == own or is_overruled or not shows_incident(finding):
            continue
        count, case = len(finding.pointers), related.get(finding.code)
        shown.setdefault(
            finding.code, ShownClass(finding.code, finding.sentence, count, case)
        )
    return list(shown.values())


@transaction.atomic
def open_shown_case(
    *, actor: User, incident_id: int, code: str, now: dt.datetime | None = None
) -> Incident:
    """Open a related case of a class that the evidence shows; return it.

    It has the extensions and the detection of the case it comes from. Raise
    IncidentError where the evidence does not show that class, or a case has it.
    """
    require_permission(actor, WORK)
    moment = now or timezone.now()
    incident = lock_open_incident(incident_id)
    shown = next(
        (other for other in other_classes(incident) if other.code == code), None
    )
    if shown is None:
        raise IncidentError(
            f"The evidence shows no {code} here any more: read the page again."
        )
    if shown.case is not None:
        raise IncidentError(
            f"{shown.case.reference} is about this already: work on there."
        )
    playbook = Playbook.objects.filter(code=code).first()
    version = playbook.current_version if playbook else None
    if playbook is None or version is None:
        raise IncidentError(f"There is no playbook {code}: load it first.")
    opened = open_incident(
        actor=actor,
        playbook_version=version,
        title=f"{playbook.title}, shown by the evidence of {incident.reference}",
        severity=None,
        detected_at=incident.detected_at,
        extension_ids=[
            extension.extension_id for extension in incident.extensions.all()
        ],
        team=incident.team,
        now=moment,
    )
    link_related(
        actor=actor, incident_id=opened.pk, reference=incident.reference, now=moment
    )
    return opened
