"""Every gate of a cycle at once, for tests that look at more than one."""

from incidents.models import Cycle, Incident
from incidents.services.gates.conditions import decide_gate, stored_gate
from incidents.services.gates.facts import gather_facts
from incidents.workflow.conditions import GateResult
from incidents.workflow.phases import Phase


def read_gates(incident: Incident, cycle: Cycle) -> dict[Phase, GateResult]:
    """Return every gate of a cycle: as it was kept, or else as it stands now."""
    facts = gather_facts(incident, cycle)
    return {
        row.name: stored_gate(row) or decide_gate(row, facts)
        for row in cycle.phases.all()
    }
