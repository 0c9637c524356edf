"""Editing with an optimistic lock, reclassifying, closing and reopening."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from incidents.errors import (
    EditConflict,
    IncidentClosed,
    IncidentError,
    ReasonMissing,
    TransitionError,
)
from incidents.models import Incident, IncidentPhase
from incidents.services.checklists.answers import answer_item
from incidents.services.lifecycle.closing import (
    close_as_duplicate,
    close_incident,
    reopen_incident,
)
from incidents.services.lifecycle.editing import edit_incident, raise_severity
from incidents.services.lifecycle.links import link_related, link_ticket
from incidents.services.lifecycle.reclassifying import reclassify_incident
from incidents.services.timeline import write_entry
from incidents.workflow.conditions import UNWAIVABLE
from incidents.workflow.incident_states import IncidentStatus, ItemState, Severity
from incidents.workflow.phases import Phase
from tests.factories import (
    NOON,
    close_false_alarm,
    make_incident,
    make_outcome,
    make_playbooks,
    make_user,
)
from tests.incidents.postmortem.cases import make_signed
from tests.incidents.services.test_phases import pass_with_waivers, reach, waive

pytestmark = pytest.mark.django_db
LATER = NOON + dt.timedelta(minutes=2)


def edit(incident, revision, actor="responder", reason="", **changes):
    return edit_incident(
        actor=make_user(username=actor),
        incident_id=incident.pk,
        revision=revision,
        changes=changes,
        reason=reason,
        now=LATER,
    )


class TestEditing:
    def test_second_to_save_is_told_what_changed_and_overwrites_nothing(self):
        incident = make_incident()
        edit(incident, 1, "first", title="Title of the first")
        with pytest.raises(EditConflict, match="first saved") as caught:
            edit(incident, 1, "second", title="Title of the second")
        change = caught.value.changes[0]
        assert (change.before, change.current, change.wanted) == (
            "Secret exposed to an extension",
            "Title of the first",
            "Title of the second",
        )
        assert Incident.objects.get().title == "Title of the first"
        assert caught.value.revision == 2

    def test_conflict_tells_of_other_fields_too(self):
        incident = make_incident()
        edit(incident, 1, "first", severity=Severity.CRITICAL)
        with pytest.raises(EditConflict) as caught:
            edit(incident, 1, "second", title="Another title")
        assert [change.label for change in caught.value.changes] == ["Severity"]

    def test_saving_without_a_change_counts_no_edit(self):
        incident = make_incident()
        edit(incident, 1, title=incident.title)
        assert Incident.objects.get().revision == 1

    def test_severity_is_lowered_only_with_a_reason(self):
        incident = make_incident(severity=Severity.HIGH)
        with pytest.raises(ReasonMissing):
            edit(incident, 1, severity=Severity.LOW)
        edit(incident, 1, severity=Severity.LOW, reason="one test machine")
        assert Incident.objects.get().severity == Severity.LOW

    def test_raising_never_lowers(self):
        incident = make_incident(severity=Severity.HIGH)
        raise_severity(
            actor=None, incident_id=incident.pk, severity=Severity.LOW, reason="alert"
        )
        assert Incident.objects.get().severity == Severity.HIGH

    def test_lead_is_somebody_who_works_cases(self):
        with pytest.raises(IncidentError, match="active responder or reviewer"):
            edit(make_incident(), 1, lead=make_user(Role.AUDITOR))

    @pytest.mark.django_db(transaction=True)
    def test_of_two_who_save_at_once_one_is_refused(self):
        incident = make_incident()
        make_user(username="first")
        make_user(username="second")
        barrier = Barrier(2)

        def save(name):
            try:
                barrier.wait(timeout=10)
                edit(incident, 1, name, title=f"Title of {name}")
            except EditConflict:
                return "conflict"
            finally:
                connection.close()
            return "saved"

        with ThreadPoolExecutor(2) as pool:
            outcomes = sorted(pool.map(save, ["first", "second"]))
        assert outcomes == ["conflict", "saved"]
        assert Incident.objects.get().revision == 2


class TestReclassifying:
    def reclassify(self, incident, code, reason="it is the ledger"):
        return reclassify_incident(
            actor=make_user(),
            incident_id=incident.pk,
            playbook_version=make_playbooks()[code],
            reason=reason,
            now=LATER,
        )

    def answer(self, incident, key):
        item = incident.current_cycle.checklist.asked().get(key=key)
        answer_item(
            actor=make_user(),
            item_id=item.pk,
            state=ItemState.FAILED,
            note="found",
            now=LATER,
        )
        return item

    def test_answers_are_kept_and_open_items_follow_the_new_playbook(self):
        incident = make_incident(playbook="INC-2")
        kept = self.answer(incident, "verify-isolation")
        carried = self.answer(incident, "identify-exposure")
        self.reclassify(incident, "INC-3")
        checklist = incident.current_cycle.checklist
        new = make_playbooks()["INC-3"].document["checklist"]
        assert set(checklist.asked().values_list("key", flat=True)) == {
            planned["key"] for planned in new
        }
        assert checklist.asked().get(pk=kept.pk).state == ItemState.FAILED
        assert checklist.get(pk=carried.pk).state == ItemState.FAILED
        assert checklist.get(pk=carried.pk).retired_at

    def test_going_back_asks_again_and_finds_the_answers(self):
        incident = make_incident(playbook="INC-2")
        carried = self.answer(incident, "identify-exposure")
        before = set(incident.current_cycle.checklist.asked().values_list("pk"))
        for code in ("INC-3", "INC-6", "INC-2"):
            self.reclassify(Incident.objects.get(pk=incident.pk), code)
        checklist = incident.current_cycle.checklist
        assert set(checklist.asked().values_list("pk")) == before
        assert checklist.asked().get(pk=carried.pk).state == ItemState.FAILED

    def test_it_shows_in_the_timeline_with_its_reason(self):
        incident = make_incident(playbook="INC-2")
        self.reclassify(incident, "INC-3")
        entry = incident.timeline.last()
        assert "Reclassified from INC-2 version 1 to INC-3 version 1" in entry.body
        assert "it is the ledger" in entry.body

    def test_it_needs_a_reason(self):
        with pytest.raises(ReasonMissing):
            self.reclassify(make_incident(playbook="INC-2"), "INC-3", reason="")

    def test_the_same_version_again_is_refused(self):
        with pytest.raises(IncidentError, match="already"):
            self.reclassify(make_incident(playbook="INC-2"), "INC-2")


class TestClosing:
    def test_case_closes_after_its_last_phase(self):
        incident = make_incident()
        reach(incident, Phase.POSTMORTEM)
        make_signed(incident)
        pass_with_waivers(incident, Phase.POSTMORTEM)
        close_incident(
            actor=make_user(),
            incident_id=incident.pk,
            outcome=make_outcome(resolution="true_positive"),
            lead=make_user(),
            now=LATER,
        )
        incident.refresh_from_db()
        assert (incident.status, incident.closed_at) == ("closed", LATER)

    def test_postmortem_is_looked_at_once_more_when_the_case_closes(self):
        incident = make_incident()
        reach(incident, Phase.POSTMORTEM)
        with connection.cursor() as cursor:
            # What the database itself refuses: the service must not rest on it alone.
            cursor.execute("SET session_replication_role = replica")
            incident.current_cycle.phases.filter(phase=Phase.POSTMORTEM).update(
                started_at=NOON, completed_at=NOON
            )
            cursor.execute("SET session_replication_role = origin")
        with pytest.raises(TransitionError, match="no longer holds"):
            close_incident(
                actor=make_user(),
                incident_id=incident.pk,
                outcome=make_outcome(resolution="true_positive"),
                lead=make_user(),
                now=LATER,
            )

    @pytest.mark.parametrize("key", sorted(UNWAIVABLE))
    def test_nobody_waives_the_postmortem(self, key):
        incident = make_incident()
        with pytest.raises(IncidentError, match="cannot be waived"):
            waive(incident, key)
        phase = incident.current_cycle.phases.get(phase=Phase.POSTMORTEM)
        with pytest.raises(IntegrityError, match="gate_waiver_not_of_postmortem"):
            phase.waivers.create(
                condition_key=key,
                reason="x",
                waived_at=NOON,
                waived_by=make_user(Role.REVIEWER),
            )

    def test_case_with_an_open_phase_does_not_close(self):
        with pytest.raises(TransitionError, match="CONTAIN is not complete"):
            close_incident(
                actor=make_user(),
                incident_id=make_incident().pk,
                outcome=make_outcome(),
            )

    def test_duplicate_names_the_original(self):
        original, copy = make_incident(), make_incident()
        close_as_duplicate(
            actor=make_user(Role.REVIEWER),
            incident_id=copy.pk,
            original=original.reference.lower(),
            reason="same call",
        )
        copy.refresh_from_db()
        assert (copy.status, copy.duplicate_of) == ("closed_duplicate", original)

    @pytest.mark.parametrize(
        ("original", "message"),
        [("SEC-INC-2026-9999", "There is no case"), ("self", "not related to itself")],
    )
    def test_duplicate_of_nothing_or_itself_is_refused(self, original, message):
        incident = make_incident()
        with pytest.raises(IncidentError, match=message):
            close_as_duplicate(
                actor=make_user(Role.REVIEWER),
                incident_id=incident.pk,
                original=incident.reference if original == "self" else original,
                reason="same call",
            )

    def test_two_cases_cannot_be_duplicates_of_each_other(self):
        first, second = make_incident(), make_incident()
        reviewer = make_user(Role.REVIEWER)
        close_as_duplicate(
            actor=reviewer,
            incident_id=first.pk,
            original=second.reference,
            reason="same",
        )
        with pytest.raises(TransitionError, match="itself a duplicate"):
            close_as_duplicate(
                actor=reviewer,
                incident_id=second.pk,
                original=first.reference,
                reason="same",
            )

    @pytest.mark.parametrize(
        "role", [Role.RESPONDER, Role.AUDITOR, Role.ADMINISTRATOR, None]
    )
    def test_only_a_reviewer_calls_a_false_alarm(self, role):
        with pytest.raises(PermissionRefused):
            close_false_alarm(make_incident(), reason="noise", role=role)

    def test_closed_case_takes_no_edit_but_takes_notes(self):
        incident = make_incident()
        close_false_alarm(incident, reason="noise")
        with pytest.raises(IncidentClosed, match="reopen it first"):
            edit(incident, 2, title="New title")
        write_entry(actor=make_user(), incident_id=incident.pk, body="an afterthought")


class TestReopening:
    @pytest.fixture
    def closed(self):
        incident = make_incident()
        close_false_alarm(incident, reason="noise", now=LATER)
        return incident

    def reopen(self, incident, role=Role.REVIEWER, reason="it was real"):
        return reopen_incident(
            actor=make_user(role),
            incident_id=incident.pk,
            reason=reason,
            now=LATER + dt.timedelta(days=1),
        )

    def test_new_cycle_counts_from_its_own_start(self, closed):
        cycle = self.reopen(closed)
        contain = cycle.phases.get(phase="contain")
        assert cycle.number == 2
        assert contain.due_at == LATER + dt.timedelta(days=1, minutes=5)
        assert Incident.objects.get().status == IncidentStatus.OPEN

    def test_old_cycle_stays_as_it_was(self, closed):
        old = closed.current_cycle
        before = list(old.phases.values()), list(old.checklist.values())
        self.reopen(closed)
        assert (list(old.phases.values()), list(old.checklist.values())) == before

    def test_database_keeps_the_phases_of_an_ended_cycle(self, closed):
        contain = IncidentPhase.objects.filter(cycle__incident=closed, phase="contain")
        with (
            pytest.raises(DatabaseError, match="cycle has ended"),
            transaction.atomic(),
        ):
            contain.update(completed_at=NOON)

    def test_item_of_an_ended_cycle_takes_no_answer(self, closed):
        item = closed.current_cycle.checklist.first()
        self.reopen(closed)
        with pytest.raises(TransitionError, match="cycle 1 has ended"):
            answer_item(actor=make_user(), item_id=item.pk, state=ItemState.DONE)

    def test_it_needs_a_reviewer_and_a_reason(self, closed):
        with pytest.raises(PermissionRefused):
            self.reopen(closed, Role.RESPONDER)
        with pytest.raises(ReasonMissing):
            self.reopen(closed, reason=" ")

    def test_open_case_cannot_be_reopened(self):
        with pytest.raises(TransitionError, match="cannot become open"):
            self.reopen(make_incident())


class TestLinks:
    def test_ticket_is_linked_once(self):
        incident = make_incident()
        for _ in range(2):
            link_ticket(actor=make_user(), incident_id=incident.pk, ticket="bd-1")
        assert incident.ticket_links.count() == 1

    def test_ticket_that_is_linked_with_another_address_says_so(self):
        incident = make_incident()
        for url in ("https://a.example/1", "https://a.example/1", ""):
            link_ticket(
                actor=make_user(), incident_id=incident.pk, ticket="bd-1", url=url
            )
        with pytest.raises(IncidentError, match=r"linked already, with https://a\."):
            link_ticket(
                actor=make_user(),
                incident_id=incident.pk,
                ticket="bd-1",
                url="https://b.example/1",
            )

    @pytest.mark.parametrize(
        "url",
        [
            *("javascript:alert(1)", "http://[bad", "https://", "ftp://a.example"),
            *("https://:80", "https://a b", "https://a.example/" + "x" * 200),
        ],
    )
    def test_address_that_is_none_of_the_web_is_refused(self, url):
        with pytest.raises(IncidentError, match="http:// or https://"):
            link_ticket(
                actor=make_user(),
                incident_id=make_incident().pk,
                ticket="bd-1",
                url=url,
            )

    def test_related_cases_show_on_both(self):
        first, second = make_incident(), make_incident()
        link_related(
            actor=make_user(), incident_id=first.pk, reference=second.reference
        )
        assert first.related.get() == second
        assert second.related.get() == first
