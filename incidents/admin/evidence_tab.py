"""The evidence of a case with what its current verification says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from evidence.models import (
    EvidenceItem,
    VerificationReport,
    VerificationRequest,
)
from evidence.services.remarks import Remark, find_remarks
from evidence.tones import tone_of
from incidents.models import Cycle, Incident
from incidents.services.policy_records import CaseSwitches

STEP_NAMES = ("bundle_hash", "ledger_chain", "summary_counts", "schema", "redaction")


@dataclass(frozen=True)
class EvidenceView:
    """An item with its newest request and that request's report, if any."""

    item: EvidenceItem
    request: VerificationRequest | None
    report: VerificationReport | None
    url: str
    remarks: Sequence[Remark] = ()

    @property
    def state(self) -> str:
        if self.report is None:
            return "pending" if self.request else "not verified yet"
        # A digest that matches is grey: it says nothing of what the bytes hold.
        return self.report.outcome

    @property
    def symbol(self) -> str:
        symbols = {
            "done": "verified",
            "late": "gpp_bad",
            "warn": "hourglass_disabled",
            "watch": "hourglass_top",
        }
        return symbols.get(tone_of(self.state), "tag" if self.report else "pending")

    @property
    def words(self) -> str:
        if self.report is not None:
            return self.report.get_outcome_display()
        if self.request is None:
            return "Not verified yet"
        return f"Verification {self.request.get_state_display().lower()}"

    @property
    def steps(self) -> list[tuple[str, str]]:
        if self.report is None:
            return []
        held = self.report.steps
        return [(name, held[name]) for name in STEP_NAMES if name in held]


def evidence_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle, switches: CaseSwitches
) -> dict[str, Any]:
    """Return the items of a case, newest first, and where to attach more."""
    items = list(incident.evidence_items.select_related("received_by").order_by("-id"))
    newest = _newest_requests(items)
    remarks = find_remarks(items)
    return {
        "evidence": [
            _view(item, newest.get(item.pk), remarks.get(item.pk, ())) for item in items
        ],
        "upload_url": upload_url(incident.pk),
        "status_url": _status_url(incident, newest),
    }


def upload_url(incident_id: int) -> str:
    """Return the page that attaches evidence to a case."""
    page = reverse("admin:evidence_evidenceitem_upload")
    return f"{page}?incident={incident_id}"


def _status_url(
    incident: Incident, newest: dict[int, VerificationRequest]
) -> str | None:
    """Return where the page asks how far the workers are, while there is any work."""
    if not any(verification.is_pending for verification in newest.values()):
        return None
    return reverse("admin:evidence_evidenceitem_case_status", args=[incident.pk])


def _newest_requests(items: list[EvidenceItem]) -> dict[int, VerificationRequest]:
    rows = (
        VerificationRequest.objects.filter(item__in=items)
        .order_by("item_id", "-id")
        .distinct("item_id")
        .select_related("report")
    )
    return {row.item_id: row for row in rows}


def _view(
    item: EvidenceItem,
    newest: VerificationRequest | None,
    remarks: Sequence[Remark],
) -> EvidenceView:
    url = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    report = getattr(newest, "report", None)
    return EvidenceView(
        item=item, request=newest, report=report, url=url, remarks=remarks
    )
