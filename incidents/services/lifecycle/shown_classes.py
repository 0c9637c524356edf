"""What a case's evidence shows besides its own class, and a case of its own for it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import require_permission
from evidence.text import REASON_LENGTH
from incidents.errors import IncidentError
from incidents.findings import shown_classes
from incidents.models import (
    Finding,
    Incident,
    Playbook,
    PlaybookVersion,
    ReviewChoice,
)
from incidents.services.changes import WORK, lock_open_incident
from incidents.services.findings.gathering import current_findings
from incidents.services.findings.words import (
    answer_of,
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
        if finding.code == own or not _counts(finding):
            continue
        count, case = len(finding.pointers), related.get(finding.code)
        shown.setdefault(
            finding.code, ShownClass(finding.code, finding.sentence, count, case)
        )
    return list(shown.values())


def _counts(finding: Finding) -> bool:
    """Return whether an answer shows an incident, and nobody overruled it."""
    review = newest_review(finding)
    is_overruled = review is not None and review.choice == ReviewChoice.OVERRULED
    return shows_incident(finding) and not is_overruled


@dataclass(frozen=True)
class ProposedClass:
    """The class that evidence proposes for a case of none, and the answers why.

    ``version`` is the playbook to reclassify to; None where none is loaded.
    """

    code: str
    reasons: list[Finding]
    version: PlaybookVersion | None

    @property
    def reason(self) -> str:
        """The reason of the reclassification, as the person who does it may give it."""
        said = " ".join(finding.sentence for finding in self.reasons)
        text = f"The evidence shows {self.code}: {said}"
        return text if len(text) <= REASON_LENGTH else f"{text[: REASON_LENGTH - 1]}…"


def propose_class(incident: Incident) -> ProposedClass | None:
    """Return the class to propose; None where the case has one, or nothing shows one.

    It is the one that most records show.
    """
    if code_of(incident):
        return None
    rows = [row for row in current_findings(incident) if _counts(row)]
    shown = shown_classes(answer for row in rows if (answer := answer_of(row)))
    if not shown:
        return None
    code = shown[0].code
    playbook = Playbook.objects.filter(code=code).first()
    return ProposedClass(
        code=code,
        reasons=[row for row in rows if row.code == code],
        version=playbook.current_version if playbook else None,
    )


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
    incident = lock_open_incident(incident_id, actor)
    # Looked at again under the lock: two who press at once open one case.
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
