"""A gate that was passed, or left open by its cycle, keeps what it saw for ever."""

import datetime as dt

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.accounts.access import Role
from evidence.services.verification import request_verification, run_verification
from incidents.models import GateRecord, Incident
from incidents.services.gates.conditions import read_gate
from incidents.services.gates.facts import gather_facts
from incidents.services.gates.gathering import gather_bundles
from incidents.services.gates.phases import complete_phase
from incidents.services.lifecycle.closing import (
    reopen_incident,
)
from incidents.workflow.conditions import ConditionKey, Waiver
from incidents.workflow.gate_facts import GateFacts
from incidents.workflow.gate_record import (
    read_gate_record,
    write_conditions,
    write_facts,
)
from incidents.workflow.gates import condition_keys, evaluate_gate
from incidents.workflow.phases import PHASE_ORDER, Phase
from tests.factories import (
    NOON,
    close_false_alarm,
    make_evidence,
    make_incident,
    make_snapshot,
    make_user,
)
from tests.incidents.gates import read_gates
from tests.incidents.services.test_phases import SOON, pass_with_waivers, reach, waive
from tests.work import count_calls

LATER = NOON + dt.timedelta(hours=1)


def complete(incident: Incident, phase: Phase):
    return complete_phase(
        actor=make_user(), incident_id=incident.pk, phase=phase, now=SOON
    )


def fresh(incident: Incident) -> Incident:
    return Incident.objects.get(pk=incident.pk)


def gates_of(incident: Incident, number: int = 1):
    case = fresh(incident)
    return read_gates(case, case.cycles.get(number=number))


def end(incident: Incident) -> None:
    close_false_alarm(incident, reason="a drill", now=LATER)


def end_and_reopen(incident: Incident) -> None:
    end(incident)
    reopen_incident(
        actor=make_user(Role.REVIEWER),
        incident_id=incident.pk,
        reason="it was none",
        now=LATER,
    )


@pytest.mark.parametrize("phase", PHASE_ORDER)
def test_gate_is_read_back_as_it_was_written(phase):
    facts = GateFacts(kill_switched=frozenset({"b", "a"}))
    gate = evaluate_gate(phase, facts)
    waivable = [condition.key for condition in gate.failed if condition.is_waivable]
    waivers = [Waiver(key, "anna", "gone") for key in waivable[:1]]
    gate = evaluate_gate(phase, facts, waivers=waivers)
    assert read_gate_record(phase, write_conditions(gate)) == gate


def test_facts_are_written_as_json_with_sets_in_order():
    written = write_facts(GateFacts(kill_switched=frozenset({"b", "a"})))
    assert written["kill_switched"] == ["a", "b"]
    assert written["postmortem"]["signed_by"] == ""


@pytest.mark.django_db
class TestCompletedGate:
    @pytest.fixture
    def incident(self):
        incident = make_incident()
        reach(incident, Phase.COLLECT)
        self.bundle = make_evidence(incident)
        make_snapshot(incident)
        pass_with_waivers(incident, Phase.COLLECT)
        pass_with_waivers(incident, Phase.VERIFY)
        return incident

    def test_it_keeps_the_evidence_and_the_reports_it_stood_on(self, incident):
        phase = incident.current_cycle.phases.get(phase=Phase.VERIFY)
        (bundle,) = phase.gate_record.facts["bundles"]
        assert bundle["sha256_hex"] == self.bundle.sha256_hex
        assert bundle["report_id"] == self.bundle.reports.get().pk
        assert bundle["valid"] is True
        assert phase.gate_record.recorded_at == SOON

    def test_it_keeps_the_waivers_it_stood_on(self, incident):
        phase = incident.current_cycle.phases.get(phase=Phase.CONTAIN)
        first, *_ = read_gate(fresh(incident), phase).conditions
        assert (first.waiver.by, first.waiver.reason) == (
            "reviewer",
            "the runtime is gone",
        )

    @pytest.mark.parametrize("is_reopened", [False, True])
    @pytest.mark.parametrize(
        "vector", ["tampered-head-tail", "tampered-removed-entry", "redacted-full"]
    )
    def test_later_evidence_changes_nothing_of_it(self, incident, vector, is_reopened):
        if is_reopened:
            end_and_reopen(incident)
        before = gates_of(incident)
        make_evidence(incident, vector=vector)
        assert gates_of(incident) == before

    def test_a_later_verification_changes_nothing_of_it(self, incident):
        before = gates_of(incident)
        request = request_verification(
            item_id=self.bundle.pk, actor=make_user(), now=LATER
        )
        assert gates_of(incident) == before
        run_verification(request_id=request.pk)
        assert gates_of(incident) == before

    def test_the_second_cycle_looks_at_what_the_case_holds_now(self, incident):
        end_and_reopen(incident)
        make_evidence(incident, vector="tampered-head-tail")
        verify = gates_of(incident, 2)[Phase.VERIFY]
        assert [condition.key for condition in verify.failed] == [
            ConditionKey.FAILURES_EXPLAINED,
            ConditionKey.VERIFICATION_ANSWERED,
        ]

    def test_what_an_earlier_cycle_brought_counts_and_says_so(self, incident):
        end_and_reopen(incident)
        bundle, snapshot, _ = gates_of(incident, 2)[Phase.COLLECT].conditions
        assert (bundle.met, bundle.detail) == (True, "plain.json (from cycle 1)")
        assert (snapshot.met, snapshot.detail) == (
            True,
            "settings.json (from cycle 1)",
        )

    def test_what_an_earlier_cycle_brought_is_placed_by_one_reading(self, incident):
        end_and_reopen(incident)

        def count_queries() -> int:
            case = fresh(incident)
            with CaptureQueriesContext(connection) as asked:
                found = gather_bundles(case, case.current_cycle, ())
            assert {bundle.earlier_cycle for bundle in found} == {1}
            return len(asked)

        before = count_queries()
        for vector in ("redacted-full", "filtered-time"):
            make_evidence(incident, vector=vector, now=NOON)
        assert count_queries() == before

    def test_database_keeps_it(self, incident):
        with pytest.raises(DatabaseError, match="append"), transaction.atomic():
            GateRecord.objects.update(conditions=[])
        with pytest.raises(DatabaseError, match="delete"), transaction.atomic():
            GateRecord.objects.all().delete()

    def test_database_takes_none_for_a_phase_that_runs(self, incident):
        running = incident.current_cycle.running_phase
        with pytest.raises(DatabaseError, match="is kept when"), transaction.atomic():
            GateRecord.objects.create(
                phase=running, conditions=[], facts={}, recorded_at=LATER
            )


@pytest.mark.django_db
def test_gate_that_its_cycle_left_open_is_kept_as_it_stood():
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    end_and_reopen(incident)
    make_evidence(incident)
    collect = gates_of(incident)[Phase.COLLECT]
    assert [condition.key for condition in collect.failed] == [
        ConditionKey.BUNDLE_STORED,
        ConditionKey.CONFIGURATION_SNAPSHOT,
        ConditionKey.COLLECTION_ANSWERED,
    ]


@pytest.mark.django_db
def test_every_phase_that_has_ended_has_its_gate_kept():
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    end(incident)
    kept = GateRecord.objects.filter(phase__cycle__incident=incident)
    assert {record.phase.phase for record in kept} == set(PHASE_ORDER[1:])


@pytest.mark.django_db
def test_refused_completion_keeps_no_gate():
    incident = make_incident()
    assert not complete(incident, Phase.CONTAIN).passed
    assert not GateRecord.objects.exists()


@pytest.mark.django_db
def test_waiver_that_is_not_needed_any_more_is_kept_beside_what_is_met():
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    waive(incident, ConditionKey.BUNDLE_STORED)
    make_evidence(incident)
    make_snapshot(incident)
    waive(incident, ConditionKey.COLLECTION_ANSWERED)
    gate = complete(incident, Phase.COLLECT)
    assert gate.passed
    assert [condition.key for condition in gate.waived] == [
        ConditionKey.COLLECTION_ANSWERED
    ]
    assert gates_of(incident)[Phase.COLLECT].conditions[0].waiver.by == "reviewer"


@pytest.mark.django_db
def test_a_completion_gathers_its_facts_once():
    incident = make_incident()
    reach(incident, Phase.COLLECT)
    for key in condition_keys(Phase.COLLECT):
        waive(incident, key)
    with count_calls(gather_facts) as read:
        assert complete(incident, Phase.COLLECT).passed
    assert read == {"gather_facts": 1}
