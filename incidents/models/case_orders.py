"""The order in which cases are listed, and what an index needs so that it serves it.

The clocks that lists ask about stand on the case, since an index holds columns of one
table. Triggers keep them, so that no way of changing a phase or a cycle goes past them.
"""

from __future__ import annotations

import pgtrigger
from django.db.models import Case, F, IntegerField, When

from evidence.models.triggers import Trigger
from incidents.workflow.incident_states import IncidentStatus, Severity

OPEN_RANK = Case(
    When(status=IncidentStatus.OPEN.value, then=1),
    default=0,
    output_field=IntegerField(),
)
SEVERITY_RANK = Case(
    *(When(severity=severity.value, then=severity.rank) for severity in Severity),
    default=0,
    output_field=IntegerField(),
)
WORST_FIRST = (
    OPEN_RANK.desc(),
    SEVERITY_RANK.desc(),
    F("next_due_at").asc(),
    F("last_activity_at").desc(),
    F("id").desc(),
)
"""Open before closed, then severity, then the clock that runs out; those without one
last, as PostgreSQL sorts them by itself. Expressions, for the index has the same."""

SHOW_CLOCKS = """
    SELECT min(phase.due_at) FILTER (WHERE phase.position = (
               SELECT min(position) FROM incidents_incidentphase
                WHERE cycle_id = cycle.id AND completed_at IS NULL)),
           min(LEAST(phase.breached_at,
                     CASE WHEN phase.completed_at IS NULL THEN phase.due_at END))
      INTO NEW.next_due_at, NEW.late_at
      FROM incidents_cycle AS cycle
      JOIN incidents_incidentphase AS phase ON phase.cycle_id = cycle.id
     WHERE cycle.incident_id = NEW.id AND cycle.ended_at IS NULL;
    RETURN NEW;
"""
"""When the phase that runs is due, and the first moment at which a clock of the current
cycle was or will be late. Whatever is written, the phases say: a case that was read
before saves no old one. A closed case shows none: its cycle has ended."""

TELL_CASES = """
    UPDATE incidents_incident SET next_due_at = NULL, late_at = NULL
     WHERE id IN ({cases});
    RETURN NULL;
"""
"""What is written is worked out by the case itself."""


def keeps_clocks(cases: str) -> tuple[Trigger, Trigger]:
    """Return the triggers that have cases show their clocks when rows change.

    `cases` selects the keys of the cases of the rows in `changed`. Two, since
    PostgreSQL hands the changed rows only to a trigger of one operation.
    """
    return tuple(  # type: ignore[return-value]
        Trigger(
            name=f"case_shows_clocks_{name}",
            level=pgtrigger.Statement,
            when=pgtrigger.After,
            operation=operation,
            referencing=pgtrigger.Referencing(new="changed"),
            func=TELL_CASES.format(cases=cases.strip()),
        )
        for name, operation in (
            ("insert", pgtrigger.Insert),
            ("update", pgtrigger.Update),
        )
    )
