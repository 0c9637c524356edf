"""Every gate of a cycle at once, for tests that look at more than one."""

from incidents.models import Cycle, Incident
from incidents.services.gates.conditions import read_gate
from incidents.workflow.gates import GateResult
from incidents.workflow.phases import Phase


def read_gates(incident: Incident, cycle: Cycle) -> dict[Phase, GateResult]:
    """Return every gate of a cycle: as it was kept, or else as it stands now."""
    return {row.name: read_gate(incident, row) for row in cycle.phases.all()}
