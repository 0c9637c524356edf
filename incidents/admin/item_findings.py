"""What an item of evidence says to the playbooks' questions, on the item's own page."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.http import HttpRequest
from django.urls import reverse

from evidence.admin.item_panels import Panel
from evidence.models import EvidenceItem
from incidents.admin.finding_views import FindingView, view_findings
from incidents.findings import Verdict
from incidents.models import Finding, Incident
from incidents.services.findings.gathering import in_order_of_questions
from incidents.services.findings.words import code_of

TEMPLATE = "incidents/evidence/_findings.html"


@dataclass(frozen=True)
class ItemFindings:
    """The answers of an item: those that matter to its case, and the rest.

    ``why_none`` says why there is no answer yet, or never will be.
    """

    checklist_url: str
    code: str
    first: list[FindingView] = field(default_factory=list)
    rest: list[FindingView] = field(default_factory=list)
    why_none: str = ""


def findings_panel(request: HttpRequest, item: EvidenceItem) -> Panel | None:
    """Return what an item says; None where nothing is ever read from it."""
    rows = Finding.objects.visible_to(request.user).about(item)
    current = rows.current().prefetch_related("reviews__reviewed_by")
    found = in_order_of_questions(current)
    if not found and not item.is_verifiable:
        return None
    return Panel(TEMPLATE, _shown(item, found))


def _shown(item: EvidenceItem, found: list[Finding]) -> ItemFindings:
    incident = item.incident
    url = reverse("admin:incidents_incident_change", args=[incident.pk])
    code = _code_of(incident) if found else ""
    first = [
        finding
        for finding in found
        if finding.code == code or finding.verdict == Verdict.FOUND
    ]
    rest = [finding for finding in found if finding not in first]
    return ItemFindings(
        checklist_url=f"{url}?phase=analyze",
        code=code,
        first=view_findings(first, of_item=item.pk),
        rest=view_findings(rest, of_item=item.pk),
        why_none="" if found else _why_none(item),
    )


def _code_of(incident: Incident) -> str:
    """Return the case's class, the playbook read with it at once."""
    whole = Incident.objects.select_related("playbook_version").get(pk=incident.pk)
    return code_of(whole)


def _why_none(item: EvidenceItem) -> str:
    if item.derived_from_id is not None:
        return (
            "An export of the case's own evidence is never read for findings: look at "
            "the item that it was made from."
        )
    newest = item.incident.evidence_readings.order_by("-id").first()
    if newest is not None and newest.problems:
        return f"No answer came of the newest reading: {'; '.join(newest.problems)}."
    return (
        "No worker has read it for the playbooks yet: one does as soon as it is "
        "verified. What is refused as a bundle or ledger cannot be read."
    )
