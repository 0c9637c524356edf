"""Answers, answers taken back, artifacts, assignments and remediations."""

import datetime as dt

import pytest
from django.db import DatabaseError, transaction

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import ArtifactRefused, IncidentError, TransitionError
from incidents.models import ChecklistItem, Incident
from incidents.services.checklists.answers import (
    answer_item,
    assign_item,
    link_evidence,
    undo_item,
)
from incidents.services.checklists.remediation import (
    Proof,
    decide_remediation,
    record_action,
)
from incidents.workflow.incident_states import (
    ItemState,
    RemediationKind,
    Severity,
)
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


@pytest.fixture
def incident():
    return make_incident()


def item_of(incident: Incident, key: str) -> ChecklistItem:
    return incident.current_cycle.checklist.asked().get(key=key)


def answer(incident, key, state=ItemState.DONE, note="", role=Role.RESPONDER):
    return answer_item(
        actor=make_user(role),
        item_id=item_of(incident, key).pk,
        state=state,
        note=note,
        now=SOON,
    )


def link(incident, key, evidence):
    return link_evidence(
        actor=make_user(),
        item_id=item_of(incident, key).pk,
        evidence_item_id=evidence.pk,
        now=SOON,
    )


def test_answer_keeps_who_and_when(incident):
    item = answer(incident, "identify-exposure", note="`NPM_TOKEN`")
    item.refresh_from_db()
    assert (item.state, item.note) == ("done", "`NPM_TOKEN`")
    assert (item.answered_by, item.answered_at) == (make_user(), SOON)


@pytest.mark.parametrize("state", [ItemState.NOT_APPLICABLE, ItemState.FAILED])
def test_answer_that_needs_words_is_refused_without(incident, state):
    with pytest.raises(TransitionError, match="say w"):
        answer(incident, "identify-exposure", state)


def test_answer_is_not_replaced_but_taken_back_first(incident):
    answer(incident, "identify-exposure")
    with pytest.raises(TransitionError, match="can become open"):
        answer(incident, "identify-exposure", ItemState.FAILED, "wrong")


def test_taking_back_keeps_both_entries(incident):
    item = answer(incident, "identify-exposure")
    undo_item(actor=make_user(), item_id=item.pk, note="too soon", now=SOON)
    item.refresh_from_db()
    assert item.state == ItemState.OPEN
    assert [entry.action for entry in item.entries.all()] == ["answered", "undone"]


def test_entries_cannot_be_changed(incident):
    item = answer(incident, "identify-exposure")
    with pytest.raises(DatabaseError), transaction.atomic():
        item.entries.update(note="never said")


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR, Role.MACHINE, None])
def test_only_those_who_work_cases_answer(incident, role):
    with pytest.raises(PermissionRefused):
        answer(incident, "identify-exposure", role=role)


class TestArtifacts:
    def test_linking_the_expected_artifact_ticks_the_item(self, incident):
        link(incident, "export-evidence-bundle", make_evidence(incident))
        item = item_of(incident, "export-evidence-bundle")
        assert item.state == ItemState.DONE
        assert item.entries.get().action == "linked"

    def test_saying_done_does_not(self, incident):
        with pytest.raises(
            TransitionError, match="linking the artifact that it asks for"
        ):
            answer(incident, "export-evidence-bundle")

    def test_another_artifact_is_refused_with_what_differs(self, incident):
        with pytest.raises(ArtifactRefused, match="it takes evidence of kind bundle"):
            link(incident, "export-evidence-bundle", make_snapshot(incident))
        assert item_of(incident, "export-evidence-bundle").is_open

    def test_bundle_with_an_empty_section_is_refused(self, incident):
        empty = make_evidence(incident, vector="empty")
        with pytest.raises(ArtifactRefused, match="secret_broker section is empty"):
            link(incident, "secret-broker-entry", empty)

    def test_evidence_of_another_case_is_refused(self, incident):
        foreign = make_evidence(make_incident())
        with pytest.raises(IncidentError, match="not of this case"):
            link(incident, "export-evidence-bundle", foreign)

    def test_linking_twice_is_one_link(self, incident):
        evidence = make_evidence(incident)
        first = link(incident, "export-evidence-bundle", evidence)
        assert link(incident, "export-evidence-bundle", evidence) == first

    def test_taking_back_withdraws_the_link_and_keeps_it(self, incident):
        made = link(incident, "export-evidence-bundle", make_evidence(incident))
        undo_item(actor=make_user(), item_id=made.item_id, now=SOON)
        made.refresh_from_db()
        assert made.withdrawn_at == SOON


def test_step_that_a_report_fails_is_not_called_done(incident):
    make_evidence(incident, vector="tampered-removed-entry")
    with pytest.raises(TransitionError, match=r"tampered-removed-entry\.json"):
        answer(incident, "verify-ledger-chain")
    answer(incident, "verify-ledger-chain", ItemState.FAILED, "two entries are gone")


def test_replay_item_is_done_by_looking_at_the_replay(incident):
    with pytest.raises(TransitionError, match="by the thing itself"):
        answer(incident, "forensic-replay")
    view_replay(make_evidence(incident), actor=make_user(), now=SOON)
    assert answer(incident, "forensic-replay").state == ItemState.DONE


def test_statement_item_needs_words(incident):
    with pytest.raises(TransitionError, match="say in the note"):
        answer(incident, "verify-isolation")


def test_item_is_assigned_only_to_those_who_work_cases(incident):
    item = item_of(incident, "identify-exposure")
    colleague = make_user(username="colleague")
    assign_item(actor=make_user(), item_id=item.pk, assignee=colleague, now=SOON)
    assert list(colleague.checklist_items.all()) == [item]
    with pytest.raises(IncidentError, match="responder or reviewer"):
        assign_item(
            actor=make_user(), item_id=item.pk, assignee=make_user(Role.AUDITOR)
        )


class TestRemediation:
    def decide(self, incident, choice, *, chosen=True, despite_diagnosis=False):
        return decide_remediation(
            actor=make_user(),
            item_id=item_of(incident, "remediation").pk,
            choice_key=choice,
            chosen=chosen,
            despite_diagnosis=despite_diagnosis,
            reason="because",
            now=SOON,
        )

    def test_item_is_done_once_every_choice_is_decided(self, incident):
        self.decide(incident, "rotate-credential")
        self.decide(incident, "extend-blocklist", chosen=False)
        assert item_of(incident, "remediation").is_open
        self.decide(incident, "verify-exec-mediation", chosen=False)
        assert item_of(incident, "remediation").state == ItemState.DONE

    def test_choice_that_the_playbook_lacks_is_refused(self, incident):
        with pytest.raises(
            IncidentError, match="Choose one of these: rotate-credential"
        ):
            self.decide(incident, "reboot")

    def test_choosing_tampering_makes_the_case_critical(self):
        incident = make_incident(playbook="INC-3", severity=Severity.HIGH)
        item = item_of(incident, "remediation")
        choice = next(
            choice["key"]
            for choice in item.content["choices"]
            if choice.get("sets_severity")
        )
        self.decide(incident, choice)
        assert Incident.objects.get().severity == Severity.CRITICAL

    def ledger_case(self, vector):
        incident = make_incident(playbook="INC-3", severity=Severity.HIGH)
        make_evidence(incident, vector=vector)
        return incident

    def test_corruption_is_questioned_where_the_diagnosis_is_tampering(self):
        incident = self.ledger_case("tampered-removed-entry")
        with pytest.raises(IncidentError, match="is tampering, and this is for"):
            self.decide(incident, "investigate-corruption")
        assert not item_of(incident, "remediation").decisions.exists()
        self.decide(incident, "investigate-corruption", chosen=False)
        self.decide(incident, "security-audit")

    def test_a_choice_against_the_diagnosis_can_be_meant_and_shows(self):
        incident = self.ledger_case("tampered-removed-entry")
        self.decide(incident, "investigate-corruption", despite_diagnosis=True)
        entry = AuditEntry.objects.get(action="remediation.decided")
        assert "Chosen although: The diagnosis of" in entry.reason

    def test_tampering_is_questioned_where_the_diagnosis_is_corruption(self):
        incident = self.ledger_case("corrupt-one-entry")
        self.decide(incident, "investigate-corruption")
        with pytest.raises(IncidentError, match="is corruption, and this is for"):
            self.decide(incident, "security-audit")

    def test_without_a_diagnosis_nothing_is_questioned(self):
        incident = self.ledger_case("plain")
        self.decide(incident, "investigate-corruption")
        self.decide(incident, "security-audit")

    def test_action_needs_a_proof(self, incident):
        with pytest.raises(IncidentError, match="A proof is missing"):
            record_action(
                actor=make_user(),
                incident_id=incident.pk,
                kind=RemediationKind.CREDENTIAL_ROTATED,
                description="rotated",
                proof=Proof(text="  "),
            )

    def test_ticket_of_an_action_is_linked_to_the_case(self, incident):
        action = record_action(
            actor=make_user(),
            incident_id=incident.pk,
            kind=RemediationKind.TICKET_FILED,
            description="filed",
            proof=Proof(ticket="bd-77"),
            now=SOON,
        )
        assert action.ticket == incident.ticket_links.get()
