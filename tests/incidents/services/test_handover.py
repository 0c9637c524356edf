"""Who is switched off hands over what they lead and own; their tokens are revoked."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.accounts.people import change_roles, set_active
from evidence.accounts.tokens import create_token
from evidence.errors import PersonError, TokenError
from evidence.models import ApiToken, AuditEntry, TokenScope
from incidents.models import ActionItem, Incident, Notification, TimelineEntry
from incidents.services.checklists.answers import assign_item
from incidents.services.lifecycle.closing import close_as_false_alarm
from incidents.services.lifecycle.editing import assign_lead
from incidents.services.postmortems.action_item_reminders import remind_action_items
from incidents.services.postmortems.action_items import (
    ActionItemFields,
    add_action_item,
)
from incidents.workflow.postmortem import ActionItemType
from tests.factories import make_incident, make_outcome, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def leaver() -> User:
    return make_user("responder", "leaver")


@pytest.fixture
def successor() -> User:
    return make_user("responder", "successor")


@pytest.fixture
def case(leaver: User) -> Incident:
    """A case that the leaver leads, with an item of its list and one for later."""
    incident = make_incident(detected_at=timezone.now(), now=timezone.now())
    assign_lead(actor=leaver, incident_id=incident.pk, lead=leaver)
    first = incident.current_cycle.checklist.first()
    assign_item(actor=leaver, item_id=first.pk, assignee=leaver)
    add_action_item(
        actor=leaver,
        incident_id=incident.pk,
        item=ActionItemFields(
            text="Add a test",
            item_type=ActionItemType.PREVENTATIVE,
            owner=leaver,
            due_on=timezone.now().date() + dt.timedelta(days=1),
        ),
    )
    incident.refresh_from_db()
    return incident


def make_token(person: User) -> ApiToken:
    token, _ = create_token(
        user=person, name="t", scopes=[TokenScope.READ], days=9, actor=None
    )
    return token


def switch_off(person: User, successor: User | None) -> User:
    return set_active(
        actor=make_user("administrator"),
        person_id=person.pk,
        is_active=False,
        reason="Left the team.",
        successor=successor,
    )


class TestHandover:
    def test_a_successor_is_asked_for_and_nothing_changes_without(
        self, case: Incident, leaver: User
    ) -> None:
        token = make_token(leaver)
        with pytest.raises(PersonError, match="choose who takes them over") as refusal:
            switch_off(leaver, None)
        assert (refusal.value.code, refusal.value.field) == (
            "successor_missing",
            "successor",
        )
        leaver.refresh_from_db()
        token.refresh_from_db()
        assert leaver.is_active
        assert token.revoked_at is None

    @pytest.mark.parametrize("role", ["auditor", "administrator", "machine"])
    def test_one_who_works_no_cases_cannot_take_over(
        self, case: Incident, leaver: User, role: str
    ) -> None:
        with pytest.raises(PersonError, match="cannot take over"):
            switch_off(leaver, make_user(role, "other"))
        case.refresh_from_db()
        assert case.lead == leaver

    def test_nobody_takes_over_from_themselves(
        self, case: Incident, leaver: User
    ) -> None:
        with pytest.raises(PersonError, match="cannot take over"):
            switch_off(leaver, leaver)

    def test_all_of_it_goes_to_the_successor_and_is_recorded(
        self, case: Incident, leaver: User, successor: User
    ) -> None:
        switch_off(leaver, successor)
        case.refresh_from_db()
        assert case.lead == successor
        assert ActionItem.objects.get().owner == successor
        assert case.current_cycle.checklist.first().assignee == successor
        entry = AuditEntry.objects.get(action="incident.handed_over")
        assert (entry.actor_name, entry.reason) == ("administrator", "Left the team.")
        assert "the lead" in entry.after["taken"]
        assert TimelineEntry.objects.filter(
            incident=case, body__contains="takes over from leaver"
        ).exists()
        told = Notification.objects.filter(recipient=successor, kind="assigned")
        assert told.get().headline == "You take over work on this case"

    def test_a_closed_case_keeps_who_led_it(
        self, case: Incident, leaver: User, successor: User
    ) -> None:
        close_as_false_alarm(
            actor=make_user("reviewer"),
            incident_id=case.pk,
            outcome=make_outcome(),
            lead=leaver,
            reason="noise",
        )
        switch_off(leaver, successor)
        case.refresh_from_db()
        assert case.lead == leaver
        assert ActionItem.objects.get().owner == successor

    def test_who_holds_nothing_needs_no_successor(self, leaver: User) -> None:
        switch_off(leaver, None)
        leaver.refresh_from_db()
        assert not leaver.is_active


class TestTokens:
    def test_they_are_revoked_for_good(self, leaver: User) -> None:
        token = make_token(leaver)
        switch_off(leaver, None)
        token.refresh_from_db()
        assert token.revoked_by == make_user("administrator")
        set_active(actor=None, person_id=leaver.pk, is_active=True, reason="Back.")
        token.refresh_from_db()
        assert token.state_at(timezone.now()) == "revoked"

    def test_one_of_somebody_who_is_off_is_never_called_active(
        self, client: Client, leaver: User
    ) -> None:
        token = make_token(leaver)
        User.objects.filter(pk=leaver.pk).update(is_active=False)
        token = ApiToken.objects.get(pk=token.pk)
        assert token.state_at(timezone.now()) == "user off"
        client.force_login(make_user("administrator"))
        text = client.get("/admin/evidence/apitoken/").content.decode().lower()
        assert "user off" in text

    @pytest.mark.parametrize(
        ("role", "scope"),
        [
            ("responder", TokenScope.ALERTS_WRITE),
            ("auditor", TokenScope.CASES_WRITE),
            ("auditor", TokenScope.EVIDENCE_WRITE),
            ("machine", TokenScope.CASES_WRITE),
            ("administrator", TokenScope.POLICY_WRITE),
        ],
    )
    def test_a_scope_beyond_its_role_is_refused(
        self, role: str, scope: TokenScope
    ) -> None:
        with pytest.raises(TokenError, match="no more than its user") as refusal:
            create_token(
                user=make_user(role),
                name="t",
                scopes=[scope],
                days=9,
                actor=make_user("administrator"),
            )
        assert refusal.value.code == "scope_beyond_role"

    def test_the_form_says_what_each_role_has_a_use_for(self, client: Client) -> None:
        make_user("auditor")
        client.force_login(make_user("administrator"))
        page = client.get("/admin/evidence/apitoken/add/").content.decode()
        useful = "read, evidence:download, copies:unredacted, archives:download"
        assert f">auditor: {useful}<" in page


class TestPages:
    def test_what_is_held_is_shown_before(
        self, client: Client, case: Incident, leaver: User, successor: User
    ) -> None:
        make_token(leaver)
        client.force_login(make_user("administrator"))
        url = f"/admin/auth/user/{leaver.pk}/active/"
        page = client.get(url).content.decode()
        for words in ("Leads a case", "Checklist item", "Action item", "API token"):
            assert words in page
        answer = client.post(url, {"reason": "Left."})
        assert "choose who takes them over" in answer.content.decode()
        client.post(url, {"reason": "Left.", "successor": successor.pk})
        leaver.refresh_from_db()
        assert not leaver.is_active

    @pytest.mark.parametrize("role", ["responder", "reviewer", "auditor"])
    def test_no_other_role_switches_anybody_off(
        self, client: Client, leaver: User, role: str
    ) -> None:
        client.force_login(make_user(role))
        url = f"/admin/auth/user/{leaver.pk}/active/"
        assert client.get(url).status_code == 403
        assert client.post(url, {"reason": "x"}).status_code == 403


class TestReminders:
    def test_those_of_an_owner_who_is_off_reach_the_lead(
        self, case: Incident, leaver: User, successor: User
    ) -> None:
        assign_lead(actor=successor, incident_id=case.pk, lead=successor)
        User.objects.filter(pk=leaver.pk).update(is_active=False)
        assert remind_action_items() == 1
        row = Notification.objects.get(kind="reminder")
        assert row.recipient == successor
        assert row.headline.endswith("and its owner is switched off")

    def test_and_reviewers_where_no_lead_is_there_either(
        self, case: Incident, leaver: User
    ) -> None:
        reviewer = make_user("reviewer")
        User.objects.filter(pk=leaver.pk).update(is_active=False)
        remind_action_items()
        assert Notification.objects.get(kind="reminder").recipient == reviewer


def take_roles(person: User, *roles: str, successor: User | None = None) -> User:
    return change_roles(
        actor=make_user("administrator"),
        person_id=person.pk,
        roles=[Role(role) for role in roles],
        reason="Moved on.",
        successor=successor,
    )


class TestTakingARoleAway:
    def test_what_one_may_no_longer_do_needs_a_successor(
        self, case: Incident, leaver: User
    ) -> None:
        with pytest.raises(PersonError, match="choose who takes them over") as refusal:
            take_roles(leaver, "auditor")
        assert refusal.value.code == "successor_missing"
        assert leaver.groups.get().name == "responder"
        case.refresh_from_db()
        assert case.lead == leaver

    def test_lead_items_and_action_items_go_to_the_successor(
        self, case: Incident, leaver: User, successor: User
    ) -> None:
        take_roles(leaver, "auditor", successor=successor)
        case.refresh_from_db()
        assert case.lead == successor
        assert ActionItem.objects.get().owner == successor
        assert case.current_cycle.checklist.first().assignee == successor
        assert case.timeline.filter(body__contains="successor takes over").exists()

    def test_a_role_that_leaves_the_work_possible_hands_nothing_over(
        self, case: Incident, leaver: User, successor: User
    ) -> None:
        take_roles(leaver, "reviewer", successor=successor)
        case.refresh_from_db()
        assert case.lead == leaver

    def test_tokens_beyond_the_new_roles_are_revoked_the_others_stay(
        self, leaver: User
    ) -> None:
        reads = make_token(leaver)
        works, _ = create_token(
            user=leaver,
            name="works",
            scopes=[TokenScope.READ, TokenScope.CASES_WRITE],
            days=9,
            actor=None,
        )
        take_roles(leaver, "auditor")
        reads.refresh_from_db()
        works.refresh_from_db()
        assert reads.revoked_at is None
        assert works.revoked_at is not None
        entry = AuditEntry.objects.get(action="token.revoked")
        assert entry.reason == "The role of its user was taken away."

    def test_the_page_shows_what_is_held_and_asks_who_takes_over(
        self, client: Client, case: Incident, leaver: User, successor: User
    ) -> None:
        make_token(leaver)
        client.force_login(make_user("administrator"))
        url = f"/admin/auth/user/{leaver.pk}/roles/"
        page = client.get(url).content.decode()
        for said in (case.reference, "Add a test", "API token", "Who takes over"):
            assert said in page
        sent = {"roles": ["auditor"], "reason": "Moved on."}
        assert "choose who takes them over" in client.post(url, sent).content.decode()
        client.post(url, {**sent, "successor": successor.pk})
        assert leaver.groups.get().name == "auditor"
        assert Incident.objects.get(pk=case.pk).lead == successor
