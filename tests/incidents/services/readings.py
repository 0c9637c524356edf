"""What tests ask of the readings of a case's evidence."""

from __future__ import annotations

from incidents.models import Incident
from incidents.services.findings.state import state_key


def is_up_to_date(incident: Incident) -> bool:
    """Return whether the newest reading knows of all evidence; a case may have none."""
    has_evidence = incident.evidence_items.exists()
    return not has_evidence or _is_read(incident)


def _is_read(incident: Incident) -> bool:
    newest = incident.evidence_readings.first()
    return newest is not None and newest.state_key == state_key(incident)
