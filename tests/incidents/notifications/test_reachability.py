"""Whether people can be told, said on their page, the team, the case and the start."""

from __future__ import annotations

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from evidence.accounts.people import change_email, change_own_email
from evidence.tones import tone_of
from incidents.models import Incident, Notification, NotificationState, Team
from incidents.services.lifecycle.editing import assign_lead
from incidents.services.notifications.reachability import (
    ReachState,
    list_hard_to_reach,
    people_on_call,
    read_reach,
)
from incidents.services.notifications.webhooks import add_webhook, change_webhook
from incidents.services.teams import save_team
from tests.factories import make_incident, make_user

pytestmark = pytest.mark.django_db
CONSOLE = "django.core.mail.backends.console.EmailBackend"
PAGER = "discord://1234567890/abcdefghijklmnop"


@pytest.fixture(autouse=True)
def fresh_reports(settings: Settings) -> None:
    settings.READINESS_SECONDS = 0


@pytest.fixture
def lead() -> User:
    return make_user("responder", "ada")


@pytest.fixture
def case(lead: User) -> Incident:
    incident = make_incident(detected_at=timezone.now(), now=timezone.now())
    assign_lead(actor=lead, incident_id=incident.pk, lead=lead)
    return incident


def without_address(person: User) -> User:
    return change_email(
        actor=make_user("administrator"), person_id=person.pk, email="", reason="Left."
    )


def message(person: User, state: NotificationState, **values: object) -> Notification:
    """A message by e-mail that has come this far."""
    now = timezone.now()
    fields = {
        "key": f"k{Notification.objects.count()}",
        "kind": "reminder",
        "headline": "An item",
        "owed_at": now,
        "send_at": now,
        "next_try_at": now,
        "created_at": now,
        "finished_at": now,
    }
    return Notification.objects.create(
        **{**fields, "recipient": person, "state": state, **values}
    )


def state_of(person: User) -> ReachState:
    return read_reach([person])[person.pk].state


class TestStates:
    def test_no_message_yet_is_no_sign_of_anything(self, lead: User) -> None:
        assert state_of(lead) is ReachState.UNTRIED

    def test_only_a_delivered_message_is_green(self, lead: User) -> None:
        message(lead, NotificationState.PENDING, finished_at=None)
        assert state_of(lead) is ReachState.UNTRIED
        message(lead, NotificationState.SENT)
        reach = read_reach([lead])[lead.pk]
        assert (reach.state, tone_of(reach.state)) == (ReachState.REACHED, "done")

    def test_the_newest_message_counts_and_says_why_it_failed(self, lead: User) -> None:
        message(lead, NotificationState.SENT)
        message(lead, NotificationState.FAILED, problem="the mail server answered 550")
        reach = read_reach([lead])[lead.pk]
        assert reach.is_unreachable
        assert reach.problems == (
            "The last message by e-mail failed: the mail server answered 550.",
        )

    def test_a_failure_of_the_old_address_says_nothing_of_the_new(
        self, lead: User
    ) -> None:
        yesterday = timezone.now() - dt.timedelta(days=1)
        message(lead, NotificationState.FAILED, finished_at=yesterday)
        change_own_email(actor=lead, email="new@example.org")
        lead.refresh_from_db()
        assert state_of(lead) is ReachState.UNTRIED

    def test_no_address_no_account_and_printed_mail_reach_nobody(
        self, lead: User, settings: Settings
    ) -> None:
        message(lead, NotificationState.SENT)
        settings.EMAIL_BACKEND = CONSOLE
        reach = read_reach([lead])[lead.pk]
        assert reach.is_unreachable
        assert "printed to the worker's log" in reach.problems[0]
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        assert state_of(lead) is ReachState.REACHED
        assert state_of(without_address(lead)) is ReachState.UNREACHABLE
        lead.is_active = False
        assert "switched off" in read_reach([lead])[lead.pk].problems[0]

    def test_one_channel_of_two_that_fails_is_doubtful(self, lead: User) -> None:
        admin = make_user("administrator")
        webhook = add_webhook(
            actor=admin,
            name="ada's pager",
            url=PAGER,
            owner=lead,
            team=None,
            wants_warnings=False,
        )
        message(lead, NotificationState.FAILED, webhook=webhook)
        reach = read_reach([lead])[lead.pk]
        assert (reach.state, tone_of(reach.state)) == (ReachState.DOUBTFUL, "watch")
        assert "The last message by ada's pager failed" in reach.problems[0]
        change_webhook(
            actor=admin,
            webhook_id=webhook.pk,
            name=webhook.name,
            url="",
            owner=lead,
            team=None,
            wants_warnings=False,
            is_active=False,
        )
        reach = read_reach([without_address(lead)])[lead.pk]
        assert reach.is_unreachable
        assert "The channel ada's pager is switched off." in reach.problems

    def test_queries_do_not_grow_with_the_people(
        self, django_assert_num_queries
    ) -> None:
        people = [make_user("responder", f"p{number}") for number in range(8)]
        with django_assert_num_queries(6):
            read_reach(people)


class TestOnCall:
    def test_leads_members_and_reviewers_are(self, case: Incident, lead: User) -> None:
        member, reviewer = make_user("responder", "bob"), make_user("reviewer")
        make_user("responder", "somebody else")
        save_team(actor=None, name="Night", members=[member])
        assert people_on_call() == [lead, member, reviewer]

    def test_everybody_who_works_cases_is_where_one_has_nobody(self) -> None:
        person = make_user("responder", "bob")
        assert person not in people_on_call()
        make_incident()
        assert person in people_on_call()

    def test_a_lead_who_was_switched_off_is_the_first_to_look_at(
        self, case: Incident, lead: User
    ) -> None:
        User.objects.filter(pk=lead.pk).update(is_active=False)
        message(make_user("reviewer"), NotificationState.FAILED)
        assert list_hard_to_reach()[0].person == lead


@pytest.mark.django_db(transaction=True)
class TestReadiness:
    def test_it_warns_and_takes_no_machine_out(
        self, client: Client, case: Incident, lead: User
    ) -> None:
        assert client.get("/readyz").json()["parts"]["on_call"]["status"] == "ok"
        without_address(lead)
        answer = client.get("/readyz")
        part = answer.json()["parts"]["on_call"]
        assert (answer.status_code, part["status"]) == (200, "warning")
        assert part["detail"].startswith("1 of 1 on call cannot be reached")
        assert lead.username not in answer.content.decode()
        assert client.get("/readyz?strict=1").status_code == 503


class TestPages:
    @pytest.mark.parametrize("role", ["responder", "reviewer", "administrator"])
    def test_the_start_page_and_the_case_name_who_and_why(
        self, client: Client, case: Incident, lead: User, role: str
    ) -> None:
        client.force_login(make_user(role))
        url = f"/admin/incidents/incident/{case.pk}/change/"
        assert "hard to reach" not in client.get(url).content.decode()
        without_address(lead)
        for page in ("/admin/", url):
            text = client.get(page).content.decode()
            assert "hard to reach" in text, page
            assert "The account has no e-mail address." in text, page

    def test_the_person_and_the_team_say_it(self, client: Client, lead: User) -> None:
        save_team(actor=None, name="Night", members=[without_address(lead)])
        client.force_login(make_user("administrator"))
        team = Team.objects.get()
        for page in (
            f"/admin/auth/user/{lead.pk}/change/",
            f"/admin/incidents/team/{team.pk}/change/",
        ):
            text = client.get(page).content.decode()
            assert "Cannot be reached" in text, page
            assert "The account has no e-mail address." in text, page
