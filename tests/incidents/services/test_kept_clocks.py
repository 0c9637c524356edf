"""A case shows when the clock of its running phase is due, whoever changes it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import connection

from evidence.accounts.access import Role
from incidents.case_queries import with_running_phase
from incidents.models import Incident
from incidents.models.case_orders import WORST_FIRST
from incidents.services.gates.phases import mark_breaches, set_remediate_due
from incidents.services.lifecycle.closing import reopen_incident
from incidents.workflow.phases import Phase
from tests.factories import NOON, close_false_alarm, make_incident, make_user
from tests.incidents.services.test_phases import pass_with_waivers, reach

pytestmark = [pytest.mark.django_db, pytest.mark.long]
DAYS = dt.timedelta(days=9)


def reach_remediate(case: Incident) -> None:
    reach(case, Phase.REMEDIATE)
    set_remediate_due(
        actor=make_user(Role.REVIEWER),
        incident_id=case.pk,
        due_at=NOON + DAYS,
        reason="a part is ordered",
        now=NOON,
    )


def reopen(case: Incident) -> None:
    close_false_alarm(case)
    reopen_incident(
        actor=make_user(Role.REVIEWER), incident_id=case.pk, reason="it was real"
    )


def move_by_hand(case: Incident) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE incidents_incidentphase SET due_at = due_at + interval '1 day'"
            " WHERE completed_at IS NULL"
        )


def write_another(case: Incident) -> None:
    Incident.objects.filter(pk=case.pk).update(
        next_due_at=NOON + 9 * DAYS, late_at=None
    )


Clocks = tuple[dt.datetime | None, dt.datetime | None]


def clocks_of(case: Incident) -> Clocks:
    """Return when the running phase is due, and since when one is late: by phases."""
    found = Incident.objects.get(pk=case.pk)
    if not found.is_open:
        return None, None
    running = found.current_cycle.running_phase
    late = [
        moment
        for phase in found.current_cycle.phases.all()
        for moment in (phase.breached_at, not phase.completed_at and phase.due_at)
        if moment
    ]
    return running.due_at if running else None, min(late, default=None)


def shown(case: Incident) -> Clocks:
    found = Incident.objects.get(pk=case.pk)
    return found.next_due_at, found.late_at


@pytest.mark.parametrize(
    "change",
    [
        lambda case: pass_with_waivers(case, Phase.CONTAIN),
        reach_remediate,
        close_false_alarm,
        reopen,
        move_by_hand,
        write_another,
        lambda case: mark_breaches(now=NOON + 9 * DAYS),
    ],
    ids=[
        *("completed", "set", "closed", "reopened"),
        *("past_services", "overwritten", "breached"),
    ],
)
def test_a_case_shows_the_clock_of_its_running_phase(
    change: Callable[[Incident], object],
) -> None:
    case, other = make_incident(), make_incident()
    assert shown(case) == clocks_of(case)
    assert None not in shown(case)
    change(case)
    for one in (case, other):
        assert shown(one) == clocks_of(one)


def test_a_case_that_was_read_before_saves_no_old_clock() -> None:
    old = make_incident()
    pass_with_waivers(make_incident(), Phase.CONTAIN)
    pass_with_waivers(Incident.objects.get(pk=old.pk), Phase.CONTAIN)
    old.title = "Another title"
    old.save()
    assert shown(old) == clocks_of(old)


def test_lists_read_the_phase_that_runs_and_no_other() -> None:
    case, closed = make_incident(), make_incident()
    reach(case, Phase.REMEDIATE)
    close_false_alarm(closed)
    found = {one.pk: one for one in with_running_phase(Incident.objects.all())}
    running = Incident.objects.get(pk=case.pk).current_cycle.running_phase
    assert found[case.pk].current_cycle.running_phase == running
    assert len(found[case.pk].current_cycle.phases.all()) == 1
    assert list(found[closed.pk].cycles.all()) == []


ORDERS = {
    "incident_worst_first": WORST_FIRST,
    "incident_by_title": ("title", "-id"),
}


@pytest.mark.parametrize("index", ORDERS)
def test_an_index_has_cases_in_the_order_of_their_list(index: str) -> None:
    make_incident()
    rows = Incident.objects.order_by(*ORDERS[index])[:50]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    plan = rows.explain()
    assert (index in plan, "Sort" in plan) == (True, False)
