"""Which records of cases are read as they are stored."""

from incidents.api.records.cases import CYCLE_KINDS, GATE_KINDS, PRUNING_KINDS
from incidents.api.records.checklists import CHECKLIST_KINDS
from incidents.api.records.notifications import NOTIFICATION_KINDS
from incidents.api.records.postmortems import POSTMORTEM_KINDS

INCIDENT_KINDS = (
    *CYCLE_KINDS,
    *GATE_KINDS,
    *PRUNING_KINDS,
    *CHECKLIST_KINDS,
    *POSTMORTEM_KINDS,
    *NOTIFICATION_KINDS,
)
