"""What tests ask of the readings of a case's evidence."""

from __future__ import annotations

from incidents.models import Incident
from incidents.services.findings.gathering import find_reading
from incidents.services.findings.state import state_key


def is_up_to_date(incident: Incident) -> bool:
    """Return whether the newest reading knows of all evidence; a case may have none."""
    has_evidence = incident.evidence_items.exists()
    return not has_evidence or find_reading(incident, state_key(incident)) is not None
