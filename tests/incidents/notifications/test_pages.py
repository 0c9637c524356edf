"""The pages: log, preferences, channels, plan; who may see and do what."""

import pytest
from django.core import mail
from django.urls import reverse

from evidence.accounts.access import Role
from incidents.models import (
    Notification,
    NotificationPreference,
    ReminderSettings,
    WebhookChannel,
)
from incidents.services.notifications.delivery import deliver_notifications
from incidents.services.notifications.outbox import remind
from incidents.services.notifications.reminder_settings import current_settings
from incidents.services.notifications.webhooks import add_webhook, open_url
from incidents.workflow.phases import Phase
from tests.factories import NOON, make_user
from tests.incidents.notifications.making import after, poll

pytestmark = pytest.mark.django_db
LOG = "admin:incidents_notification_changelist"
PREFERENCES = "admin:incidents_notification_preferences"
CHANNELS = "admin:incidents_webhookchannel_changelist"
PLAN = "admin:incidents_remindersettings_changelist"
ADDRESS = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"


@pytest.fixture
def as_role(client):
    """Sign in as somebody of a role; return the client."""

    def sign_in(role, username=""):
        client.force_login(make_user(role, username))
        return client

    return sign_in


def make_failed(case) -> Notification:
    case.lead.email = ""
    case.lead.save()
    poll(after(minutes=2.5))
    return Notification.objects.get(state="failed")


@pytest.mark.parametrize(
    "role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR, Role.ADMINISTRATOR]
)
def test_everybody_with_a_role_reads_the_log(case, as_role, role):
    row = make_failed(case)
    client = as_role(role)
    page = client.get(reverse(LOG))
    assert "CONTAIN is due soon" in page.text
    assert "no e-mail address" in page.text
    detail = client.get(reverse("admin:incidents_notification_change", args=[row.pk]))
    assert "Refused for good" in detail.text
    assert client.post(detail.request["PATH_INFO"], {}).status_code == 403


def test_outsider_reads_nothing(case, as_role):
    make_failed(case)
    client = as_role(None)
    assert client.get(reverse(LOG)).status_code == 403
    assert client.get(reverse(CHANNELS)).status_code == 403
    assert client.get(reverse(PLAN)).status_code == 403


def send_again(client, row):
    data = {"action": "send_again", "_selected_action": [row.pk]}
    return client.post(reverse(LOG), data, follow=True)


def test_reviewer_sends_a_failed_one_again_from_the_log(case, as_role):
    row = make_failed(case)
    page = send_again(as_role(Role.REVIEWER), row)
    assert "1 will be tried again" in page.text
    row.refresh_from_db()
    assert row.state == "pending"
    case.lead.email = "lead@example.org"
    case.lead.save()
    assert deliver_notifications(now=after(minutes=3)) == 1


@pytest.mark.parametrize("role", [Role.RESPONDER, Role.AUDITOR])
def test_others_have_no_such_action(case, as_role, role):
    row = make_failed(case)
    send_again(as_role(role), row)
    row.refresh_from_db()
    assert row.state == "failed"


def test_log_asks_the_same_queries_for_one_row_and_for_many(
    case, as_role, lead, django_assert_max_num_queries
):
    for number in range(30):
        remind(
            key=f"r{number}",
            people=[lead],
            headline="due",
            about=case,
            owed_at=NOON,
            incident=case,
            now=NOON,
        )
    client = as_role(Role.REVIEWER)
    with django_assert_max_num_queries(15):
        assert client.get(reverse(LOG)).text.count("lead by e-mail") == 30


class TestPreferences:
    FIELDS = {
        "by_email": "on",
        "quiet_from": "22:00",
        "quiet_until": "07:00",
        "time_zone": "Europe/Berlin",
    }

    @pytest.mark.parametrize("role", [Role.RESPONDER, Role.AUDITOR, None])
    def test_anybody_saves_their_own(self, as_role, role):
        client = as_role(role)
        page = client.post(reverse(PREFERENCES), self.FIELDS, follow=True)
        assert "Your preferences are saved" in page.text
        saved = NotificationPreference.objects.get()
        assert saved.user.username == (role or "outsider")
        assert saved.quiet_hours is not None
        assert 'value="22:00"' in page.text

    def test_refusal_shows_on_the_form(self, as_role):
        fields = self.FIELDS | {"time_zone": "Mars/Olympus"}
        page = as_role(Role.RESPONDER).post(reverse(PREFERENCES), fields)
        assert "is no time zone" in page.text
        assert not NotificationPreference.objects.exists()

    def test_test_message_goes_to_the_one_who_asks(self, as_role):
        client = as_role(Role.RESPONDER)
        page = client.post(reverse("admin:incidents_notification_test"), follow=True)
        assert "On its way by e-mail" in page.text
        deliver_notifications()
        assert mail.outbox[0].to == ["responder@example.org"]
        assert "test message" in mail.outbox[0].subject
        assert reverse(PREFERENCES) in mail.outbox[0].body

    def test_test_message_is_not_sent_by_a_link(self, as_role):
        client = as_role(Role.RESPONDER)
        assert (
            client.get(reverse("admin:incidents_notification_test")).status_code == 405
        )

    def test_stranger_has_to_sign_in(self, client):
        assert client.get(reverse(PREFERENCES)).status_code == 302


class TestChannelPages:
    def test_administrator_adds_one_and_never_sees_the_address_again(self, as_role):
        client = as_role(Role.ADMINISTRATOR)
        fields = {"name": "room", "url": ADDRESS}
        added = reverse("admin:incidents_webhookchannel_add")
        page = client.post(added, fields, follow=True)
        assert "room is added" in page.text
        channel = WebhookChannel.objects.get()
        assert open_url(channel) == ADDRESS
        detail = client.get(
            reverse("admin:incidents_webhookchannel_change", args=[channel.pk])
        )
        for text in (page.text, detail.text):
            assert "discord://…" in text
            assert "JHMHI8" not in text

    def test_refused_address_is_not_shown_either(self, as_role):
        page = as_role(Role.ADMINISTRATOR).post(
            reverse("admin:incidents_webhookchannel_add"),
            {"name": "room", "url": "json://user:JHMHI8@example.org/"},
        )
        assert "begins with one of" in page.text
        assert "JHMHI8" not in page.text

    def test_change_without_an_address_keeps_it(self, as_role):
        channel = make_channel()
        as_role(Role.ADMINISTRATOR).post(
            reverse("admin:incidents_webhookchannel_change", args=[channel.pk]),
            {"name": "other", "url": "", "wants_warnings": "on"},
        )
        channel.refresh_from_db()
        assert (channel.name, channel.wants_warnings) == ("other", True)
        assert channel.is_active is False
        assert open_url(channel) == ADDRESS

    @pytest.mark.parametrize("role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR])
    def test_others_read_and_change_nothing(self, as_role, role):
        channel = make_channel()
        client = as_role(role)
        page = reverse("admin:incidents_webhookchannel_change", args=[channel.pk])
        assert client.get(page).status_code == 200
        assert client.post(page, {"name": "other"}).status_code == 403
        added = reverse("admin:incidents_webhookchannel_add")
        assert client.get(added).status_code == 403


def make_channel() -> WebhookChannel:
    return add_webhook(
        actor=make_user(Role.ADMINISTRATOR), name="room", url=ADDRESS, now=NOON
    )


class TestPlanPage:
    FIELDS = {
        "hold_minutes": "20",
        "late_after_seconds": "60",
        "default_fractions": "1/2, 1/5",
        "default_before": "",
        "default_repeat": "30",
        "postmortem_before": "720, 60",
        "postmortem_repeat": "240",
    }

    def test_administrator_sets_the_plan(self, as_role):
        client = as_role(Role.ADMINISTRATOR)
        page = client.post(reverse(PLAN), self.FIELDS, follow=True)
        assert "The plan is saved" in page.text
        plan = current_settings().plan
        assert [
            delta.total_seconds() for delta in plan.by_phase[Phase.POSTMORTEM].before
        ]
        assert set(plan.by_phase) == {Phase.POSTMORTEM}
        assert 'value="720, 60"' in page.text

    def test_refusal_names_the_place(self, as_role):
        fields = self.FIELDS | {"postmortem_before": "soon"}
        page = as_role(Role.ADMINISTRATOR).post(reverse(PLAN), fields)
        assert "phases.postmortem.minutes_before" in page.text.lower()
        assert not ReminderSettings.objects.exists()

    @pytest.mark.parametrize("role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR])
    def test_others_read_it(self, as_role, role):
        client = as_role(role)
        assert "disabled" in client.get(reverse(PLAN)).text
        assert client.post(reverse(PLAN), self.FIELDS).status_code == 403


def test_case_page_offers_to_acknowledge_what_is_overdue(case, as_role):
    client = as_role(Role.RESPONDER)
    page = reverse("admin:incidents_incident_change", args=[case.pk])
    assert "Acknowledge" in client.get(page).text
    done = client.post(
        reverse("admin:incidents_incident_do", args=[case.pk, "acknowledge"]),
        {"phase": "contain"},
        follow=True,
    )
    assert "reminders wait until" in done.text
