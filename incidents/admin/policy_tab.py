"""Policy and trust of the extensions that a case is about."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from evidence.models import EvidenceKind
from incidents.models import Cycle, Incident
from incidents.services.policy_facts import find_kill_switched

POLICY_KINDS = (EvidenceKind.POLICY_SNAPSHOT, EvidenceKind.POLICY_EXPLANATION)


def policy_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle
) -> dict[str, Any]:
    """Return the extensions with their trust and kill switch, and the snapshots."""
    killed = find_kill_switched(incident)
    extensions = [
        {
            "extension": one,
            "is_killed": one.extension_id in killed,
            "url": _page("admin:policy_extension_change", one.pk),
        }
        for one in incident.extensions.all()
    ]
    snapshots = [
        {"item": one, "url": _page("admin:evidence_evidenceitem_change", one.pk)}
        for one in incident.evidence_items.filter(kind__in=POLICY_KINDS)
    ]
    return {"extension_rows": extensions, "snapshot_rows": snapshots}


def _page(name: str, pk: int) -> str:
    try:
        return reverse(name, args=[pk])
    except NoReverseMatch:
        return ""
