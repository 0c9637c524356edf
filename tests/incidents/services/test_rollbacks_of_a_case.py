"""A verified rollback answers its item and proves an action of REMEDIATE."""

import datetime as dt

import pytest
from django.utils import timezone

from evidence.accounts.access import Role
from incidents.models import Incident
from incidents.services.gates.conditions import read_gate
from incidents.workflow.conditions import ConditionKey
from incidents.workflow.incident_states import ItemState
from policy.models import Rollback
from policy.rules.rollback import OverrideChoice, RiskChoice
from policy.services.rollbacks import (
    apply_rollback,
    approve_rollback,
    propose_safe_defaults,
)
from tests.factories import make_incident, make_user
from tests.policy.explaining import explain_settings
from tests.policy.samples import PERMISSIVE, SAFE, take

pytestmark = pytest.mark.django_db


@pytest.fixture
def incident():
    return make_incident()


@pytest.fixture
def approved(incident):
    an_hour_ago = timezone.now() - dt.timedelta(hours=1)
    rollback = propose_safe_defaults(
        snapshot_id=take(incident, PERMISSIVE, captured_at=an_hour_ago).pk,
        risk=RiskChoice.UNCHANGED,
        overrides=OverrideChoice.DROP,
        reason="Everything is allowed.",
        actor=make_user(),
    )
    return approve_rollback(rollback_id=rollback.pk, actor=make_user(Role.REVIEWER))


def prove(rollback: Rollback, explained: dict) -> Rollback:
    proof = take(rollback.incident, SAFE, explanation=explain_settings(explained))
    return apply_rollback(
        rollback_id=rollback.pk,
        proof_snapshot_id=proof.pk,
        command_output="test result: ok",
        actor=make_user(),
    )


def item_of(incident: Incident):
    return incident.current_cycle.checklist.get(key="rollback-verified")


def action_proven(incident: Incident):
    fresh = Incident.objects.get(pk=incident.pk)
    phase = fresh.current_cycle.phases.get(phase="remediate")
    conditions = read_gate(fresh, phase).conditions
    return next(
        condition
        for condition in conditions
        if condition.key is ConditionKey.ACTION_PROVEN
    )


def test_a_verified_rollback_answers_its_item_and_is_a_proven_action(
    incident, approved
):
    assert not action_proven(incident).met
    prove(approved, SAFE)
    item = item_of(incident)
    assert item.state == ItemState.DONE
    assert f"Rollback {approved.pk} is verified" in item.note
    assert item.answered_by == make_user()
    condition = action_proven(incident)
    assert condition.met
    assert condition.detail == f"rollback {approved.pk}, verified"


def test_a_proof_that_is_contradicted_answers_and_proves_nothing(incident, approved):
    before = incident.last_activity_at
    prove(approved, PERMISSIVE)
    assert item_of(incident).state == ItemState.OPEN
    assert not action_proven(incident).met
    assert Incident.objects.get().last_activity_at > before


def test_a_rollback_of_another_case_proves_nothing_here(incident, approved):
    prove(approved, SAFE)
    other = make_incident(extension_ids=("ext.other",))
    assert item_of(other).state == ItemState.OPEN
    assert not action_proven(other).met
