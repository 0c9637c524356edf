"""A gate that was passed, or left open by its cycle, keeps what it saw for ever."""

import datetime as dt
from collections.abc import Mapping

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.accounts.access import Role
from evidence.models import EvidenceItem
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
from tests.shared import share
from tests.work import count_calls

LATER = NOON + dt.timedelta(hours=1)


def make_cases() -> Mapping[str, Incident]:
    """Return a case that is in COLLECT, and one whose bundle is verified."""
    verified = make_incident()
    reach(verified, Phase.COLLECT)
    make_evidence(verified)
    make_snapshot(verified)
    pass_with_waivers(verified, Phase.COLLECT)
    pass_with_waivers(verified, Phase.VERIFY)
    collecting = make_incident()
    reach(collecting, Phase.COLLECT)
    return {"collecting": collecting, "verified": verified}


_kept, cases, _django_db_helper, evidence_folder = share(make_cases)


@pytest.fixture
def collecting(cases: Mapping[str, Incident]) -> Incident:
    return cases["collecting"]


def bundle_of(incident: Incident) -> EvidenceItem:
    return incident.evidence_items.get(kind="bundle")


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


class TestCompletedGate:
    @pytest.fixture
    def incident(self, cases):
        return cases["verified"]

    def test_it_keeps_the_evidence_and_the_reports_it_stood_on(self, incident):
        phase = incident.current_cycle.phases.get(phase=Phase.VERIFY)
        (bundle,) = phase.gate_record.facts["bundles"]
        item = bundle_of(incident)
        assert bundle["sha256_hex"] == item.sha256_hex
        assert bundle["report_id"] == item.reports.get().pk
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
            item_id=bundle_of(incident).pk, actor=make_user(), now=LATER
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


def test_gate_that_its_cycle_left_open_is_kept_as_it_stood(collecting):
    end_and_reopen(collecting)
    make_evidence(collecting)
    collect = gates_of(collecting)[Phase.COLLECT]
    assert [condition.key for condition in collect.failed] == [
        ConditionKey.BUNDLE_STORED,
        ConditionKey.CONFIGURATION_SNAPSHOT,
        ConditionKey.COLLECTION_ANSWERED,
    ]


def test_every_phase_that_has_ended_has_its_gate_kept(collecting):
    end(collecting)
    kept = GateRecord.objects.filter(phase__cycle__incident=collecting)
    assert {record.phase.phase for record in kept} == set(PHASE_ORDER[1:])


def test_refused_completion_keeps_no_gate():
    incident = make_incident()
    assert not complete(incident, Phase.CONTAIN).passed
    assert not GateRecord.objects.filter(phase__cycle__incident=incident).exists()


def test_waiver_that_is_not_needed_any_more_is_kept_beside_what_is_met(collecting):
    waive(collecting, ConditionKey.BUNDLE_STORED)
    make_evidence(collecting)
    make_snapshot(collecting)
    waive(collecting, ConditionKey.COLLECTION_ANSWERED)
    gate = complete(collecting, Phase.COLLECT)
    assert gate.passed
    assert [condition.key for condition in gate.waived] == [
        ConditionKey.COLLECTION_ANSWERED
    ]
    assert gates_of(collecting)[Phase.COLLECT].conditions[0].waiver.by == "reviewer"


def test_a_completion_gathers_its_facts_once(collecting):
    for key in condition_keys(Phase.COLLECT):
        waive(collecting, key)
    with count_calls(gather_facts) as read:
        assert complete(collecting, Phase.COLLECT).passed
    assert read == {"gather_facts": 1}
