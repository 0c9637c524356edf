"""A case that has come as far as a case comes before it is closed."""

from __future__ import annotations

from incidents.models import Incident
from incidents.workflow.phases import Phase
from tests.factories import make_incident
from tests.incidents.postmortem.cases import make_signed
from tests.incidents.services.test_phases import pass_with_waivers, reach


def make_ready() -> Incident:
    """Return a case whose every phase is complete."""
    incident = make_incident()
    reach(incident, Phase.POSTMORTEM)
    make_signed(incident)
    pass_with_waivers(incident, Phase.POSTMORTEM)
    return incident
