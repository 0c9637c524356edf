"""Policy and trust of the extensions that a case is about."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from evidence.models import EvidenceKind
from incidents.models import Cycle, Incident
from incidents.services.policy_records import (
    CaseSwitches,
    kill_switches_of,
    trust_transitions_of,
)
from policy.admin.incident_tab import incident_policy_context

POLICY_KINDS = (EvidenceKind.POLICY_SNAPSHOT, EvidenceKind.POLICY_EXPLANATION)

TRANSITIONS_MAX = 50


def policy_tab(
    request: HttpRequest, incident: Incident, cycle: Cycle, switches: CaseSwitches
) -> dict[str, Any]:
    """Return the extensions with their trust and kill switch, and the snapshots."""
    killed, confirmed = switches.killed, switches.confirmed
    extensions = [
        {
            "extension": extension,
            "is_killed": extension.extension_id in killed,
            "is_confirmed": extension.extension_id in confirmed,
            "kill_state": _kill_state(extension.extension_id, killed, confirmed),
            "url": _named("admin:policy_extension_change", extension.pk),
        }
        for extension in incident.extensions.all()
    ]
    snapshots = [
        {"item": item, "url": _named("admin:evidence_evidenceitem_change", item.pk)}
        for item in incident.evidence_items.filter(kind__in=POLICY_KINDS)
    ]
    return {
        "extension_rows": extensions,
        "snapshot_rows": snapshots,
        "switches": kill_switches_of(incident),
        "transitions": trust_transitions_of(incident)[:TRANSITIONS_MAX],
        "snapshot_url": _named("admin:policy_policysnapshot_add"),
        **incident_policy_context(incident),
    }


def _kill_state(name: str, killed: frozenset[str], confirmed: frozenset[str]) -> str:
    if name in confirmed:
        return "confirmed"
    return "ordered" if name in killed else "missing"


def _named(name: str, *args: int) -> str:
    """Return a page's address, or "" where no app offers that page."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
