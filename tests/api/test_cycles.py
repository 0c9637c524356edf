"""What the API and the reminders say of cases and cycles that have ended."""

from __future__ import annotations

import datetime as dt

import pytest
from rest_framework.test import APIClient

from evidence.accounts.access import Role
from incidents.models import GateWaiver, Incident, Notification
from incidents.services.gates.phases import mark_breaches
from incidents.services.gates.waivers import revoke_waiver
from incidents.services.lifecycle.closing import close_as_duplicate, reopen_incident
from incidents.services.notifications.reminder_check import check_reminders
from incidents.services.notifications.reminders import follow_clocks
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.phases import Phase
from tests.factories import NOON, close_false_alarm, make_incident, make_user
from tests.incidents.services.test_phases import reach, waive

pytestmark = [pytest.mark.django_db, pytest.mark.long]
SOON = NOON + dt.timedelta(minutes=1)
MONTHS_LATER = NOON + dt.timedelta(days=90)


def end_as_duplicate() -> Incident:
    incident = make_incident(lead=make_user())
    close_as_duplicate(
        actor=make_user(Role.REVIEWER),
        incident_id=incident.pk,
        original=end_as_false_alarm().reference,
        reason="the same call",
        now=SOON,
    )
    return incident


def end_as_false_alarm() -> Incident:
    incident = make_incident(lead=make_user())
    return close_false_alarm(incident, now=SOON)


def reopened() -> Incident:
    incident = end_as_false_alarm()
    reopen_incident(
        actor=make_user(Role.REVIEWER),
        incident_id=incident.pk,
        reason="it was real",
        now=MONTHS_LATER,
    )
    return incident


def clocks(reader: APIClient, incident: Incident, number: int = 1) -> dict[str, str]:
    body = reader.get(f"/api/v1/incidents/{incident.reference}/").json()
    cycle = next(cycle for cycle in body["cycles"] if cycle["number"] == number)
    return {phase["phase"]: phase["clock"] for phase in cycle["phases"]}


@pytest.mark.parametrize("end", [end_as_duplicate, end_as_false_alarm, reopened])
def test_clocks_of_an_ended_cycle_stand_still(reader: APIClient, end) -> None:
    incident = end()
    found = clocks(reader, incident)
    assert set(found.values()) == {"met", "stopped"}
    rows = reader.get("/api/v1/phases/").json()["results"]
    own = [row for row in rows if row["incident"] == incident.reference]
    first = {row["phase"]: row["clock"] for row in own if row["cycle"] == 1}
    assert first == found


@pytest.mark.parametrize("end", [end_as_duplicate, end_as_false_alarm])
def test_nobody_is_reminded_of_a_case_that_has_ended(end) -> None:
    incident = end()
    follow_clocks(now=MONTHS_LATER)
    assert check_reminders(now=MONTHS_LATER).owed == 0
    assert mark_breaches(now=MONTHS_LATER) == 0
    about = Notification.objects.filter(phase__cycle__incident=incident)
    assert not about.exists()


def test_reminders_of_a_reopened_case_are_of_its_new_cycle() -> None:
    incident = reopened()
    follow_clocks(now=MONTHS_LATER + dt.timedelta(days=1))
    about = Notification.objects.filter(phase__cycle__incident=incident)
    assert {row.phase.cycle.number for row in about} == {2}


def test_waiver_and_its_revocation_are_both_told(reader: APIClient) -> None:
    incident = make_incident()
    waive(incident, ConditionKey.ISOLATION_VERIFIED)
    revoke_waiver(
        actor=make_user(Role.REVIEWER),
        incident_id=incident.pk,
        waiver_id=GateWaiver.objects.get().pk,
        reason="the runtime is back",
        now=SOON,
    )
    body = reader.get(f"/api/v1/incidents/{incident.reference}/").json()
    contain = next(
        phase for phase in body["cycles"][0]["phases"] if phase["phase"] == "contain"
    )
    (waiver,) = contain["waivers"]
    assert waiver["condition"] == "isolation-verified"
    assert (waiver["reason"], waiver["waived_by"]) == (
        "the runtime is gone",
        "reviewer",
    )
    assert (waiver["revocation_reason"], waiver["revoked_by"]) == (
        "the runtime is back",
        "reviewer",
    )
    assert contain["clock"] == "overdue"


def test_gate_of_a_completed_phase_names_the_waiver_it_stood_on(
    reader: APIClient,
) -> None:
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    body = reader.get(f"/api/v1/incidents/{incident.reference}/").json()
    phases = {phase["phase"]: phase for phase in body["cycles"][0]["phases"]}
    assert [condition["waiver"]["by"] for condition in phases["contain"]["gate"]] == [
        "reviewer",
        "reviewer",
    ]
    assert phases["collect"]["gate"] is None
