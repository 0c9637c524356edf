"""What a case makes of a diagnosis: it is as severe as its playbook says."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from evidence.audit.history import incident_stream
from evidence.models import AuditEntry, VerificationReport
from incidents.models import Incident
from incidents.services.changes import lock_incident
from incidents.services.cycle_plan import document_of
from incidents.services.gates.gathering import find_current_reports
from incidents.services.lifecycle.editing import raise_severity
from incidents.workflow.incident_states import Severity
from incidents.workflow.playbook_document import RemediationChoice

SWEPT_BACK = dt.timedelta(hours=6)
"""Longer than a broker is away unseen. What was not followed by then stands in the
report, and is seen with it."""


@transaction.atomic
def follow_diagnosis(*, incident_id: int, now: dt.datetime | None = None) -> bool:
    """Make a case as severe as its playbook says for a diagnosis; tell whether it was.

    The diagnosis is that of the current reports of the case's evidence. A case that is
    closed, or as severe already, stays as it is, and so does one that was raised for
    the same report before and lowered by a person since: this can run at any time.
    """
    incident = lock_incident(incident_id)
    if not incident.is_open:
        return False
    raised = False
    for choice, report in _meant_by(incident):
        if _was_raised_for(incident, report):
            continue
        before = incident.severity
        incident = raise_severity(
            actor=None,
            incident_id=incident.pk,
            severity=choice.sets_severity or Severity(before),
            reason=f"The diagnosis of {report.item.original_name} is "
            f"{report.diagnosis} {_naming(report)}. {choice.text}",
            now=now or timezone.now(),
        )
        raised = raised or incident.severity != before
    return raised


def sweep_diagnoses(*, now: dt.datetime | None = None) -> int:
    """Follow what was diagnosed of late, where the message about it was lost.

    Return how many cases became more severe.
    """
    moment = now or timezone.now()
    recent = VerificationReport.objects.filter(
        finished_at__gt=moment - SWEPT_BACK,
        item__incident__in=Incident.objects.open(),
    ).exclude(diagnosis="")
    concerned = set(recent.values_list("item__incident", flat=True))
    return sum(follow_diagnosis(incident_id=pk, now=moment) for pk in sorted(concerned))


def diagnoses_of(incident: Incident) -> dict[str, VerificationReport]:
    """Return the reports that diagnose a fault in a case's evidence, by diagnosis."""
    reports = find_current_reports(incident.evidence_items.all()).values()
    return {report.diagnosis: report for report in reports if report.diagnosis}


def condition_of(diagnosis: str) -> str:
    """Return the condition by which a playbook names a diagnosis."""
    return f"if {diagnosis}"


def _naming(report: VerificationReport) -> str:
    return f"(verification report {report.pk})"


def _was_raised_for(incident: Incident, report: VerificationReport) -> bool:
    entries = AuditEntry.objects.filter(stream=incident_stream(incident.pk))
    return entries.filter(
        action="incident.edited", actor=None, reason__contains=_naming(report)
    ).exists()


def _meant_by(
    incident: Incident,
) -> list[tuple[RemediationChoice, VerificationReport]]:
    """Return the choices that set a severity for what was diagnosed."""
    by_condition = {
        condition_of(diagnosis): report
        for diagnosis, report in diagnoses_of(incident).items()
    }
    choices = [
        choice
        for item in document_of(incident.playbook_version).checklist
        for choice in item.choices
    ]
    return [
        (choice, by_condition[choice.condition])
        for choice in choices
        if choice.sets_severity and choice.condition in by_condition
    ]
