"""What the incident page shows of policy beside kill switches, trust and snapshots."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from policy.models import (
    LiftRequest,
    PromotionRequest,
    RequestState,
    RuntimeHistoryImport,
    ScanReport,
)
from policy.services.quotas import summarise_stored_breaches

SHOWN = 20


def incident_policy_context(incident: Any) -> dict[str, Any]:
    """Return what `policy/_incident_tab.html` shows of a case."""
    extensions = list(incident.extensions.all())
    return {
        "waiting_lifts": LiftRequest.objects.filter(
            kill_switch__incident=incident, state=RequestState.PENDING
        ).select_related("kill_switch__extension", "requested_by"),
        "waiting_promotions": PromotionRequest.objects.filter(
            extension__in=extensions, state=RequestState.PENDING
        ).select_related("extension", "requested_by"),
        "policy_snapshots": incident.policy_snapshots.select_related("taken_by")[
            :SHOWN
        ],
        "rollbacks": incident.rollbacks.select_related("requested_by")[:SHOWN],
        "histories": RuntimeHistoryImport.objects.filter(incident=incident)
        .select_related("item")
        .defer("findings", "faults")[:SHOWN],
        "scans": ScanReport.objects.filter(item__incident=incident)
        .select_related("item")
        .defer("details")[:SHOWN],
        "breach_rows": [
            (extension, figures)
            for extension in extensions
            for figures in summarise_stored_breaches(extension)
        ],
        "import_url": reverse("admin:policy_runtimehistoryimport_add"),
        "scan_url": reverse("admin:policy_scanreport_add"),
    }
