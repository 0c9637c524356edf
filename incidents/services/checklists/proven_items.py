"""Items that a machine has proved: answered by name and report, and open to dispute.

A step of the verification that every current report passes, and an expected artifact
that is there, need nobody to say so. A person may take such an answer back; the machine
does not give it again.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from evidence.models import VERIFIABLE_KINDS, EvidenceItem, VerificationReport
from incidents.models import ChecklistItem, EntryAction, Incident
from incidents.services.changes import lock_incident
from incidents.services.checklist_entries import set_state
from incidents.services.checklists.answers import (
    link_artifact,
    planned_item,
    record_answer,
)
from incidents.services.checklists.artifacts import (
    Artifact,
    evidence_artifacts,
    list_records,
)
from incidents.services.gates.gathering import find_current_reports
from incidents.workflow.artifacts import match_artifact
from incidents.workflow.incident_states import ItemKind, ItemState


@transaction.atomic
def answer_proven_items(*, incident_id: int, now: dt.datetime | None = None) -> int:
    """Answer the open items of a case that are proven by now; return how many.

    The system acts; harmless to run twice.
    """
    moment = now or timezone.now()
    # A person may answer the same item now: who has the case first, answers it.
    incident = lock_incident(incident_id)
    if not incident.is_open:
        return 0
    items = _open_items(incident)
    evidence = list(incident.evidence_items.arrived().order_by("pk"))
    reports = find_current_reports(evidence)
    artifacts = [*evidence_artifacts(evidence), *list_records(incident)]
    answered = 0
    for item in items:
        if item.kind == ItemKind.ARTIFACT:
            answered += _link_expected(incident, item, artifacts, now=moment)
        else:
            answered += _answer_step(incident, item, evidence, reports, now=moment)
    return answered


def _open_items(incident: Incident) -> list[ChecklistItem]:
    """Return what is open in phases that are not complete, and was never contested."""
    cycle = incident.current_cycle
    complete = [row.phase for row in cycle.phases.all() if row.completed_at is not None]
    rows = (
        cycle.checklist.waiting()
        .exclude(phase__in=complete)
        .select_related("cycle", "playbook_version__playbook")
        .prefetch_related("entries")
    )
    return [
        item
        for item in rows
        if not any(entry.action == EntryAction.UNDONE for entry in item.entries.all())
    ]


def _link_expected(
    incident: Incident,
    item: ChecklistItem,
    artifacts: list[Artifact],
    *,
    now: dt.datetime,
) -> bool:
    expects = planned_item(item).expects
    if expects is None:
        return False
    names = frozenset(extension.extension_id for extension in incident.extensions.all())
    for artifact in artifacts:
        if match_artifact(expects, artifact.facts, case_extensions=names).allowed:
            link_artifact(incident, item, artifact, actor=None, now=now)
            return True
    return False


def _answer_step(
    incident: Incident,
    item: ChecklistItem,
    evidence: list[EvidenceItem],
    reports: dict[int, VerificationReport],
    *,
    now: dt.datetime,
) -> bool:
    """Answer an item about a step that every bundle's current report passes."""
    step = (item.content.get("expects") or {}).get("report_step")
    bundles = [bundle for bundle in evidence if bundle.kind in VERIFIABLE_KINDS]
    if not step or not bundles or any(bundle.pk not in reports for bundle in bundles):
        return False
    said = {bundle.pk: reports[bundle.pk].steps.get(step) for bundle in bundles}
    words = set(said.values()) - {None}
    if not words or not words <= {"pass", "not_applicable"}:
        return False
    checked = ", ".join(
        f"report {reports[bundle.pk].pk} of {bundle.original_name}"
        for bundle in bundles
        if said[bundle.pk]
    )
    if "pass" in words:
        state, note = ItemState.DONE, f"Checked by {checked}: passed."
    else:
        state = ItemState.NOT_APPLICABLE
        note = f"Checked by {checked}: nothing is redacted."
    set_state(item, state, action=EntryAction.ANSWERED, actor=None, now=now, note=note)
    label = item.get_state_display().lower()
    record_answer(
        incident, item, "checklist.answered", label, note, actor=None, now=now
    )
    return True
