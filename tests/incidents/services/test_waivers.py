"""A waiver is of a condition that stands in the way now, and can be revoked."""

import datetime as dt

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from incidents.errors import IncidentClosed, IncidentError, ReasonMissing
from incidents.errors import TransitionError as Refused
from incidents.models import GateWaiver, Incident
from incidents.services.gates.conditions import phase_of_condition
from incidents.services.gates.phases import complete_phase
from incidents.services.gates.waivers import revoke_waiver, waive_condition
from incidents.services.postmortems.case_facts import gather_case_facts
from incidents.workflow.clocks import ClockState, clock_state
from incidents.workflow.conditions import UNWAIVABLE, ConditionKey
from incidents.workflow.phases import Phase
from tests.factories import NOON, close_false_alarm, make_incident, make_user
from tests.incidents.gates import read_gates
from tests.incidents.services.test_phases import reach, state, waive

pytestmark = pytest.mark.django_db
LATER = NOON + dt.timedelta(minutes=3)
C = ConditionKey


@pytest.fixture
def incident():
    return make_incident()


def revoke(waiver: GateWaiver, *, role: Role | None = Role.REVIEWER, reason="a slip"):
    return revoke_waiver(
        actor=make_user(role),
        incident_id=waiver.phase.cycle.incident_id,
        waiver_id=waiver.pk,
        reason=reason,
        now=LATER,
    )


def waived(incident: Incident, key: ConditionKey = C.ISOLATION_VERIFIED) -> GateWaiver:
    waive(incident, key)
    return GateWaiver.objects.filter(condition_key=key).latest("id")


def contain_of(incident: Incident):
    case = Incident.objects.get(pk=incident.pk)
    return read_gates(case, case.current_cycle)[Phase.CONTAIN]


@pytest.mark.parametrize(
    "key",
    [
        key
        for key in C
        if key not in UNWAIVABLE and phase_of_condition(key) is not Phase.CONTAIN
    ],
)
def test_condition_of_a_phase_not_reached_is_not_waived(incident, key):
    with pytest.raises(Refused, match="has not been reached: CONTAIN runs"):
        waive(incident, key)
    assert not GateWaiver.objects.exists()


def test_condition_that_is_met_is_not_waived(incident):
    state(incident, C.ISOLATION_VERIFIED)
    with pytest.raises(Refused, match="there is nothing to waive") as refused:
        waive(incident, C.ISOLATION_VERIFIED)
    assert refused.value.code == "condition_met"


def test_condition_that_holds_of_an_empty_case_is_not_waived(incident):
    reach(incident, Phase.VERIFY)
    with pytest.raises(Refused, match="no bundle failed"):
        waive(incident, C.FAILURES_EXPLAINED)


def test_condition_of_a_completed_phase_is_not_waived(incident):
    reach(incident, Phase.COLLECT)
    with pytest.raises(Refused, match="CONTAIN is complete"):
        waive(incident, C.ISOLATION_VERIFIED)


def test_condition_is_waived_once(incident):
    waived(incident)
    with pytest.raises(Refused, match="waived already"):
        waive(incident, C.ISOLATION_VERIFIED)


def test_revoked_waiver_stands_in_nobodys_place(incident):
    waived(incident, C.EXTENSION_KILLED)
    revoke(waived(incident))
    gate = contain_of(incident)
    assert [condition.key for condition in gate.failed] == [C.ISOLATION_VERIFIED]
    refused = complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=Phase.CONTAIN, now=LATER
    )
    assert not refused.passed


def test_waiver_and_revocation_both_stay_in_sight(incident):
    revoke(waived(incident), reason="the call was made after all")
    lines = list(incident.timeline.values_list("body", flat=True))
    assert any(line.startswith("**Waived for CONTAIN") for line in lines)
    assert any("the call was made after all" in line for line in lines)
    facts = gather_case_facts(incident, incident.current_cycle, now=LATER)
    contain = next(phase for phase in facts["phases"] if phase["phase"] == "contain")
    assert contain["waivers"] == [
        {
            "condition": "isolation-verified",
            "by": "reviewer",
            "reason": "the runtime is gone",
            "revoked_by": "reviewer",
            "revocation_reason": "the call was made after all",
        }
    ]
    kinds = [decision["kind"] for decision in facts["decisions"]]
    assert kinds[-2:] == ["Waiver for CONTAIN", "Waiver revoked for CONTAIN"]


def test_revoked_waiver_leaves_no_mark_on_the_clock(incident):
    revoke(waived(incident))
    for key in (C.EXTENSION_KILLED, C.ISOLATION_VERIFIED):
        state(incident, key)
    complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=Phase.CONTAIN, now=LATER
    )
    clock = incident.current_cycle.phases.get(phase="contain").as_clock()
    assert clock_state(clock, LATER) is ClockState.MET


def test_condition_can_be_waived_again_after_a_revocation(incident):
    revoke(waived(incident))
    again = waived(incident)
    assert again.is_in_force
    assert GateWaiver.objects.count() == 2


@pytest.mark.parametrize(
    "role", [Role.RESPONDER, Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None]
)
def test_only_a_reviewer_revokes(incident, role):
    waiver = waived(incident)
    with pytest.raises(PermissionRefused, match="“review: waive"):
        revoke(waiver, role=role)
    waiver.refresh_from_db()
    assert waiver.is_in_force


def test_revoking_needs_a_reason(incident):
    waiver = waived(incident)
    with pytest.raises(ReasonMissing):
        revoke(waiver, reason=" ")


def test_waiver_is_revoked_once(incident):
    waiver = waived(incident)
    revoke(waiver)
    with pytest.raises(Refused, match="revoked already"):
        revoke(waiver)


def test_waiver_that_a_completed_phase_rested_on_stays(incident):
    waiver = waived(incident)
    waive(incident, C.EXTENSION_KILLED)
    complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=Phase.CONTAIN, now=LATER
    )
    with pytest.raises(Refused, match="CONTAIN is complete"):
        revoke(waiver)


def test_waiver_of_another_case_is_not_found(incident):
    waiver = waived(make_incident(title="Another"))
    with pytest.raises(IncidentError, match="not one of this case"):
        revoke_waiver(
            actor=make_user(Role.REVIEWER),
            incident_id=incident.pk,
            waiver_id=waiver.pk,
            reason="a slip",
        )


def test_waiver_of_a_closed_case_stays(incident):
    waiver = waived(incident)
    close_false_alarm(incident, reason="a drill", now=LATER)
    with pytest.raises(IncidentClosed):
        revoke(waiver)
    with pytest.raises(IncidentClosed):
        waive_condition(
            actor=make_user(Role.REVIEWER),
            incident_id=incident.pk,
            condition=C.EXTENSION_KILLED,
            reason="late",
        )


def test_database_keeps_the_decision_and_its_revocation(incident):
    waiver = waived(incident)
    with pytest.raises(DatabaseError), transaction.atomic():
        GateWaiver.objects.update(reason="another")
    revoke(waiver)
    with pytest.raises(DatabaseError), transaction.atomic():
        GateWaiver.objects.update(
            revoked_at=None, revoked_by=None, revocation_reason=""
        )
    with pytest.raises(DatabaseError), transaction.atomic():
        GateWaiver.objects.all().delete()


def test_database_takes_no_revocation_without_a_reason(incident):
    waived(incident)
    with (
        pytest.raises(IntegrityError, match="revoked_with_reason"),
        transaction.atomic(),
    ):
        GateWaiver.objects.update(revoked_at=LATER, revoked_by=make_user(Role.REVIEWER))
