"""Phases complete in order, each through its gate: conditions missing, met, waived."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection, transaction

from evidence.accounts.access import Role
from evidence.audit.history import incident_stream
from evidence.errors import MomentRefused, PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import IncidentError, ReasonMissing, TransitionError
from incidents.models import Incident, IncidentPhase
from incidents.services.checklists.answers import answer_item, undo_item
from incidents.services.checklists.proven_items import answer_proven_items
from incidents.services.checklists.remediation import (
    Proof,
    decide_remediation,
    record_action,
)
from incidents.services.gates.conditions import (
    phase_of_condition,
    read_gate,
    state_condition,
)
from incidents.services.gates.phases import (
    complete_phase,
    mark_breaches,
    set_remediate_due,
)
from incidents.services.gates.waivers import waive_condition
from incidents.workflow.conditions import ANSWERED_IN, ConditionKey
from incidents.workflow.incident_states import ItemState, RemediationKind
from incidents.workflow.phases import PHASE_ORDER, Phase
from tests.factories import (
    NOON,
    make_evidence,
    make_incident,
    make_snapshot,
    make_user,
    view_replay,
)

pytestmark = pytest.mark.django_db
SOON = NOON + dt.timedelta(minutes=1)
C = ConditionKey


def state(incident: Incident, condition: ConditionKey, text: str = "done") -> None:
    state_condition(
        actor=make_user(),
        incident_id=incident.pk,
        condition=condition,
        statement=text,
        now=SOON,
    )


def explain(incident: Incident) -> None:
    item = make_evidence(incident, vector="tampered-removed-entry")
    state_condition(
        actor=make_user(),
        incident_id=incident.pk,
        condition=C.FAILURES_EXPLAINED,
        statement="the disk lost a record",
        report_id=item.reports.get().pk,
        now=SOON,
    )


def answer_investigation(incident: Incident) -> None:
    for item in incident.current_cycle.checklist.filter(
        kind="investigation", required=True
    ).exclude(key__in=("root-cause", "forensic-replay")):
        answer_item(actor=make_user(), item_id=item.pk, state=ItemState.DONE, now=SOON)


def answer_required(incident: Incident, phase: Phase) -> None:
    """Say of each required item of a phase that it does not apply here."""
    for item in incident.current_cycle.checklist.filter(
        phase=phase, required=True, state="open"
    ):
        answer_item(
            actor=make_user(),
            item_id=item.pk,
            state=ItemState.NOT_APPLICABLE,
            note="the runtime keeps none",
            now=SOON,
        )


def act(incident: Incident) -> None:
    record_action(
        actor=make_user(),
        incident_id=incident.pk,
        kind=RemediationKind.CREDENTIAL_ROTATED,
        description="rotated",
        proof=Proof(text="audit log of the provider"),
        now=SOON,
    )


def choose(incident: Incident) -> None:
    item = incident.current_cycle.checklist.get(key="remediation")
    decide_remediation(
        actor=make_user(),
        item_id=item.pk,
        choice_key="rotate-credential",
        chosen=True,
        reason="it was exposed",
        now=SOON,
    )


MEANS = {
    C.EXTENSION_KILLED: lambda case: state(case, C.EXTENSION_KILLED),
    C.ISOLATION_VERIFIED: lambda case: state(case, C.ISOLATION_VERIFIED),
    C.BUNDLE_STORED: make_evidence,
    C.CONFIGURATION_SNAPSHOT: make_snapshot,
    C.REPORTS_CURRENT: make_evidence,
    C.FAILURES_EXPLAINED: explain,
    C.ROOT_CAUSE_WRITTEN: lambda case: state(case, C.ROOT_CAUSE_WRITTEN),
    C.REPLAY_VIEWED: lambda case: view_replay(
        make_evidence(case), actor=make_user(), now=SOON
    ),
    C.INVESTIGATION_ANSWERED: answer_investigation,
    **{
        key: lambda case, phase=phase: answer_required(case, phase)
        for phase, key in ANSWERED_IN.items()
        if phase in (Phase.COLLECT, Phase.VERIFY, Phase.REMEDIATE)
    },
    C.ACTION_PROVEN: act,
    C.REMEDIATION_CHOSEN: choose,
}
"""How each condition is met through the services; the postmortem's have their own."""


def waive(incident: Incident, condition: ConditionKey) -> None:
    waive_condition(
        actor=make_user(Role.REVIEWER),
        incident_id=incident.pk,
        condition=condition,
        reason="the runtime is gone",
        now=SOON,
    )


def spoil(incident: Incident, condition: ConditionKey) -> None:
    """Make a condition that holds of an empty case fail."""
    if condition is C.FAILURES_EXPLAINED:
        make_evidence(incident, vector="tampered-removed-entry")


def condition_of(incident: Incident, key: ConditionKey):
    fresh = Incident.objects.get(pk=incident.pk)
    row = fresh.current_cycle.phases.get(phase=phase_of_condition(key))
    gate = read_gate(fresh, row)
    return next(condition for condition in gate.conditions if condition.key is key)


def reach(incident: Incident, phase: Phase) -> None:
    """Complete what comes before a phase, every condition waived."""
    for earlier in PHASE_ORDER[1 : phase.position]:
        pass_with_waivers(incident, earlier)


def pass_with_waivers(incident: Incident, phase: Phase) -> None:
    row = incident.current_cycle.phases.get(phase=phase)
    for condition in read_gate(incident, row).conditions:
        if not condition.passes:
            waive(incident, condition.key)
    done = complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=phase, now=SOON
    )
    assert done.passed


@pytest.mark.parametrize("key", list(MEANS))
def test_missing_condition_refuses_its_phase_until_it_is_waived(key):
    incident, phase = make_incident(), phase_of_condition(key)
    reach(incident, phase)
    spoil(incident, key)
    gate = complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=phase, now=SOON
    )
    assert not gate.passed
    assert key in gate.decision.codes
    refused = AuditEntry.objects.get(
        stream=incident_stream(incident.pk), action="phase.refused"
    )
    assert key in refused.after["conditions"]
    assert not IncidentPhase.objects.get(
        cycle=incident.current_cycle, phase=phase
    ).completed_at

    waive(incident, key)
    condition = condition_of(incident, key)
    assert (condition.met, condition.passes) == (False, True)
    assert condition.waiver.by == "reviewer"
    assert condition.waiver.reason == "the runtime is gone"


@pytest.mark.parametrize("key", list(MEANS))
def test_condition_is_met_by_its_means(key):
    incident = make_incident()
    spoil(incident, key)
    assert not condition_of(incident, key).met
    MEANS[key](incident)
    assert condition_of(incident, key).met, condition_of(incident, key).detail


@pytest.mark.parametrize(
    "role", [Role.RESPONDER, Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None]
)
def test_only_a_reviewer_waives(role):
    incident = make_incident()
    with pytest.raises(PermissionRefused, match="“review: waive"):
        waive_condition(
            actor=make_user(role),
            incident_id=incident.pk,
            condition=C.EXTENSION_KILLED,
            reason="because",
        )


def test_waiving_needs_a_reason():
    with pytest.raises(ReasonMissing):
        waive_condition(
            actor=make_user(Role.REVIEWER),
            incident_id=make_incident().pk,
            condition=C.EXTENSION_KILLED,
            reason=" ",
        )


def test_gate_passes_when_every_condition_is_met_and_starts_the_next_phase():
    incident = make_incident()
    state(incident, C.EXTENSION_KILLED)
    state(incident, C.ISOLATION_VERIFIED)
    gate = complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=Phase.CONTAIN, now=SOON
    )
    assert gate.passed
    phases = {phase.phase: phase for phase in incident.current_cycle.phases.all()}
    assert phases["contain"].completed_by == make_user()
    assert phases["contain"].breached_at is None
    assert phases["collect"].started_at == SOON


@pytest.mark.parametrize(
    "phase", [phase for phase in Phase if phase is not Phase.CONTAIN]
)
def test_phase_out_of_its_turn_is_refused(phase):
    with pytest.raises(TransitionError, match="complete"):
        complete_phase(
            actor=make_user(), incident_id=make_incident().pk, phase=phase, now=SOON
        )


def test_database_refuses_a_phase_before_its_turn():
    cycle = make_incident().current_cycle
    with pytest.raises(DatabaseError, match="in order"), transaction.atomic():
        cycle.phases.filter(phase="verify").update(started_at=NOON, completed_at=NOON)


def test_database_refuses_to_change_a_completed_phase():
    cycle = make_incident().current_cycle
    with (
        pytest.raises(DatabaseError, match="update"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "UPDATE incidents_incidentphase SET completed_at = NULL"
            " WHERE cycle_id = %s AND phase = 'detect'",
            [cycle.pk],
        )


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None])
def test_only_those_who_work_cases_complete_a_phase(role):
    with pytest.raises(PermissionRefused, match="“work incidents"):
        complete_phase(
            actor=make_user(role),
            incident_id=make_incident().pk,
            phase=Phase.CONTAIN,
        )


@pytest.mark.parametrize(
    ("seconds", "is_breached"), [(-1, False), (0, True), (1, True)]
)
def test_breach_is_marked_from_the_due_moment_on(seconds, is_breached):
    incident = make_incident()
    contain = incident.current_cycle.phases.get(phase="contain")
    moment = contain.due_at + dt.timedelta(seconds=seconds)
    assert mark_breaches(now=moment) == int(is_breached)
    contain.refresh_from_db()
    assert contain.breached_at == (contain.due_at if is_breached else None)


def test_breach_is_marked_once():
    make_incident()
    late = NOON + dt.timedelta(hours=3)
    assert mark_breaches(now=late) == 4
    assert mark_breaches(now=late) == 0


def test_completing_late_marks_the_breach_itself():
    incident = make_incident()
    state(incident, C.EXTENSION_KILLED)
    state(incident, C.ISOLATION_VERIFIED)
    late = NOON + dt.timedelta(minutes=6)
    complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=Phase.CONTAIN, now=late
    )
    contain = incident.current_cycle.phases.get(phase="contain")
    assert contain.breached_at == NOON + dt.timedelta(minutes=5)


def test_breaches_of_a_case_that_another_holds_are_left_to_the_next_run():
    incident = make_incident()
    late = NOON + dt.timedelta(minutes=6)
    assert mark_breaches(now=late) == 1
    assert incident.timeline.filter(body__contains="overdue").count() == 1


def test_postmortem_counts_from_the_completion_of_remediate():
    incident = make_incident()
    reach(incident, Phase.POSTMORTEM)
    postmortem = incident.current_cycle.phases.get(phase="postmortem")
    assert postmortem.due_at == SOON + dt.timedelta(hours=24)


class TestRemediateDue:
    def set_due(self, incident, actor, *, hours=48, reason="vendor needs two days"):
        return set_remediate_due(
            actor=actor,
            incident_id=incident.pk,
            due_at=SOON + dt.timedelta(hours=hours),
            reason=reason,
            now=SOON,
        )

    @pytest.fixture
    def incident(self):
        incident = make_incident(lead=make_user(username="lead"))
        reach(incident, Phase.REMEDIATE)
        return incident

    def test_lead_sets_it_with_a_reason(self, incident):
        phase = self.set_due(incident, make_user(username="lead"))
        assert phase.due_at == SOON + dt.timedelta(hours=48)
        assert phase.due_reason == "vendor needs two days"

    def test_reviewer_may_set_it_too(self, incident):
        assert self.set_due(incident, make_user(Role.REVIEWER)).due_at

    def test_another_responder_may_not(self, incident):
        with pytest.raises(IncidentError, match=r"the lead \(lead\) or a reviewer"):
            self.set_due(incident, make_user(username="colleague"))

    def test_it_needs_a_reason(self, incident):
        with pytest.raises(ReasonMissing):
            self.set_due(incident, make_user(username="lead"), reason="")

    def test_it_lies_ahead(self, incident):
        with pytest.raises(MomentRefused, match="after now"):
            self.set_due(incident, make_user(username="lead"), hours=-1)

    def test_it_lies_within_a_year(self, incident):
        with pytest.raises(MomentRefused, match=r"after now\. It has to lie between"):
            self.set_due(incident, make_user(username="lead"), hours=24 * 367)


def test_statement_answers_the_checklist_item_that_asks_the_same():
    incident = make_incident()
    state(incident, C.ISOLATION_VERIFIED, "no call after 12:01")
    item = incident.current_cycle.checklist.get(key="verify-isolation")
    assert (item.state, item.note) == ("done", "no call after 12:01")


def test_taking_the_item_back_takes_the_statement_back():
    incident = make_incident()
    state(incident, C.ISOLATION_VERIFIED)
    item = incident.current_cycle.checklist.get(key="verify-isolation")
    undo_item(actor=make_user(), item_id=item.pk, now=SOON)
    assert not condition_of(incident, C.ISOLATION_VERIFIED).met


def test_statement_for_a_completed_phase_is_refused():
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    with pytest.raises(TransitionError, match="CONTAIN is complete"):
        state(incident, C.ISOLATION_VERIFIED)


def test_condition_read_from_rows_cannot_be_stated():
    with pytest.raises(IncidentError, match="read from the case"):
        state(make_incident(), C.BUNDLE_STORED)


def test_failed_chain_is_the_finding_of_a_ledger_case():
    incident = make_incident(playbook="INC-3")
    make_evidence(incident, vector="tampered-removed-entry")
    condition = condition_of(incident, C.FAILURES_EXPLAINED)
    assert condition.met
    assert condition.detail == (
        "1 failed, which is the finding of this case: tampered-removed-entry.json"
    )


def test_bundle_that_waits_to_be_verified_again_has_no_current_report():
    incident = make_incident()
    make_evidence(incident, verified=False)
    assert not condition_of(incident, C.REPORTS_CURRENT).met


def test_refusal_names_each_open_item_by_its_key():
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    make_evidence(incident)
    make_snapshot(incident)
    gate = complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=Phase.COLLECT, now=SOON
    )
    (failed,) = gate.failed
    assert [item.key for item in failed.open_items] == [
        "secret-broker-entry",
        "secret-exposure-alert",
        "secret-broker-bundle",
    ]


def test_what_a_machine_has_proved_passes_without_a_box_ticked():
    incident = make_incident()
    reach(incident, Phase.VERIFY)
    make_evidence(incident)
    answer_proven_items(incident_id=incident.pk)
    gate = complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=Phase.VERIFY, now=SOON
    )
    assert gate.passed
    assert not gate.waived


def test_contested_answer_holds_its_phase_up_until_somebody_answers():
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    make_evidence(incident)
    make_snapshot(incident)
    answer_proven_items(incident_id=incident.pk)
    answer_required(incident, Phase.COLLECT)
    item = incident.current_cycle.checklist.get(key="export-evidence-bundle")
    undo_item(actor=make_user(), item_id=item.pk, note="another runtime's", now=SOON)
    assert not condition_of(incident, C.COLLECTION_ANSWERED).met
    answer_required(incident, Phase.COLLECT)
    assert condition_of(incident, C.COLLECTION_ANSWERED).met


def test_completing_answers_the_item_of_a_condition_that_was_met():
    incident = make_incident()
    reach(incident, Phase.ANALYZE)
    view_replay(make_evidence(incident), actor=make_user(), now=SOON)
    pass_with_waivers(incident, Phase.ANALYZE)
    items = {item.key: item for item in incident.current_cycle.checklist.all()}
    assert items["forensic-replay"].state == "done"
    assert items["forensic-replay"].answered_by is None
    assert "responder: looked at it on" in items["forensic-replay"].note


def test_completing_leaves_open_what_was_waived():
    incident = make_incident()
    reach(incident, Phase.REMEDIATE)
    items = incident.current_cycle.checklist.filter(phase__in=("collect", "verify"))
    assert {item.state for item in items} == {"open"}


def test_waiver_of_items_that_a_phase_does_not_have_is_refused():
    with pytest.raises(TransitionError, match="no required checklist items"):
        waive(make_incident(), C.CONTAINMENT_ANSWERED)


def test_only_a_reviewer_lets_open_items_go():
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    with pytest.raises(PermissionRefused, match="“review: waive"):
        waive_condition(
            actor=make_user(),
            incident_id=incident.pk,
            condition=C.COLLECTION_ANSWERED,
            reason="no time",
        )
