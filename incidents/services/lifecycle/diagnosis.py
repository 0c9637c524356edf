"""What a case makes of a diagnosis: it is as severe as its playbook says."""

from __future__ import annotations

import datetime as dt
from operator import attrgetter

from django.db import transaction
from django.utils import timezone

from evidence.audit.history import incident_stream
from evidence.database.busy import unless_busy
from evidence.models import AuditEntry, VerificationReport
from incidents.models import Incident, PlaybookVersion
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
    # A message may come twice or late: what it says is read from the reports as they
    # are now, and what was done for one is not done again.
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

    A case that somebody holds is left to the next sweep. Return how many cases became
    more severe.
    """
    moment = now or timezone.now()
    return sum(
        unless_busy(follow_diagnosis, incident_id=pk, now=moment)
        for pk in _find_less_severe(moment)
    )


def _find_less_severe(now: dt.datetime) -> list[int]:
    """Return the open cases that are less severe than a diagnosis of late means."""
    reports = (
        VerificationReport.objects.filter(
            finished_at__gt=now - SWEPT_BACK,
            item__incident__in=Incident.objects.open(),
        )
        .exclude(diagnosis="")
        .select_related("item__incident")
        .only(
            "diagnosis", "item__incident__severity", "item__incident__playbook_version"
        )
    )
    found = list(reports)
    versions = PlaybookVersion.objects.select_related("playbook").in_bulk(
        {report.item.incident.playbook_version_id for report in found}
    )
    meant = {pk: _severities(version) for pk, version in versions.items()}
    behind = set()
    for report in found:
        case, condition = report.item.incident, condition_of(report.diagnosis)
        worse = meant[case.playbook_version_id].get(condition)
        if worse is not None and worse.rank > Severity(case.severity).rank:
            behind.add(case.pk)
    return sorted(behind)


def _severities(version: PlaybookVersion) -> dict[str, Severity]:
    """Return the severity, the worst, that a playbook sets on each condition."""
    found: dict[str, Severity] = {}
    for choice in _choices_that_raise(version):
        if (severity := choice.sets_severity) is not None:
            known = found.get(choice.condition, severity)
            found[choice.condition] = max(known, severity, key=attrgetter("rank"))
    return found


def _choices_that_raise(version: PlaybookVersion) -> list[RemediationChoice]:
    return [
        choice
        for item in document_of(version).checklist
        for choice in item.choices
        if choice.sets_severity
    ]


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
    return [
        (choice, by_condition[choice.condition])
        for choice in _choices_that_raise(incident.playbook_version)
        if choice.condition in by_condition
    ]
