"""Settings, preferences, channels, and what is told beside the clocks."""

import datetime as dt

import pytest
from django.core import mail
from django.db import transaction

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import NotificationRefused
from incidents.models import Notification, NotificationPreference, WebhookChannel
from incidents.services.checklists.answers import assign_item
from incidents.services.lifecycle.editing import assign_lead
from incidents.services.notifications.delivery import deliver_notifications
from incidents.services.notifications.notices import notify_kill_all
from incidents.services.notifications.outbox import remind
from incidents.services.notifications.preferences import set_preferences
from incidents.services.notifications.reminder_check import check_reminders
from incidents.services.notifications.reminder_settings import (
    current_settings,
    set_reminders,
)
from incidents.services.notifications.webhooks import (
    add_webhook,
    change_webhook,
    open_url,
)
from incidents.workflow.reminder_documents import write_plan
from incidents.workflow.reminders import ReminderPlan
from policy.models import KillSwitch
from tests.factories import NOON, make_incident, make_user
from tests.incidents.notifications.making import add_sink, after, poll, rows_named

pytestmark = pytest.mark.django_db


def plan_with(**phases: dict) -> dict:
    document = write_plan(ReminderPlan())
    document["phases"] |= phases
    return document


class TestSettings:
    PLAN = {
        "fractions_left": ["1/10"],
        "minutes_before": [3],
        "repeat_minutes": 7,
    }

    def set(self, role=Role.ADMINISTRATOR, **fields):
        defaults = {"plan": plan_with(contain=self.PLAN), "hold_minutes": 15}
        return set_reminders(actor=make_user(role), now=NOON, **{**defaults, **fields})

    def test_defaults_hold_until_somebody_sets_others(self):
        assert current_settings().plan == ReminderPlan()
        assert current_settings().hold == dt.timedelta(minutes=60)

    def test_new_plan_counts_at_once_for_clocks_that_run(self, case):
        poll(after(minutes=1))
        self.set()
        assert poll(after(minutes=2)) == ["contain:180s-before"]
        assert "contain:1-10-left" in poll(after(minutes=4.5))
        assert "contain:repeat-1" in poll(after(minutes=12))
        assert rows_named("contain:1-2-left") == []

    def test_it_is_in_the_history(self):
        self.set()
        entry = AuditEntry.objects.get(action="reminder_settings.changed")
        assert entry.after["plan"]["phases"]["contain"] == self.PLAN
        assert entry.before["hold_minutes"] == 60

    @pytest.mark.parametrize(
        "role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR, Role.MACHINE, None]
    )
    def test_only_an_administrator_sets_it(self, role):
        with pytest.raises(PermissionRefused, match="add reminder settings"):
            self.set(role)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"fractions_left": ["2/1"]}, "between 0 and 1"),
            ({"fractions_left": ["half"]}, "phases.contain.fractions_left"),
            ({"minutes_before": [0]}, "phases.contain.minutes_before"),
            ({"repeat_minutes": 0}, "phases.contain.repeat_minutes"),
            ({"repeat_minutes": True}, "whole number"),
            ({"more": 1}, "expected an object of"),
        ],
    )
    def test_plan_that_cannot_be_followed_is_refused(self, change, message):
        with pytest.raises(NotificationRefused, match=message):
            self.set(plan=plan_with(contain={**self.PLAN, **change}))

    def test_hold_of_more_than_a_day_is_refused(self):
        with pytest.raises(NotificationRefused, match="1 to 1440"):
            self.set(hold_minutes=2000)


class TestPreferences:
    def set(self, user, actor=None, **fields):
        defaults = {
            "by_email": True,
            "webhooks": (),
            "quiet_from": None,
            "quiet_until": None,
            "time_zone": "Europe/Berlin",
        }
        return set_preferences(actor=actor or user, user=user, **{**defaults, **fields})

    def test_person_chooses_among_their_own_channels(self, case, lead, webhook_sink):
        pager = add_sink(webhook_sink, name="pager", owner=lead)
        room = add_sink(webhook_sink, name="own room", owner=lead)
        self.set(lead, by_email=False, webhooks=[pager])
        poll(after(minutes=2.5))
        assert [row.webhook for row in rows_named("contain:1-2-left")] == [pager]
        assert room in NotificationPreference.objects.get().webhooks_off.all()

    def test_channel_that_is_switched_off_falls_back_to_e_mail(
        self, case, lead, webhook_sink
    ):
        pager = add_sink(webhook_sink, name="pager", owner=lead)
        self.set(lead, by_email=False, webhooks=[pager])
        WebhookChannel.objects.update(is_active=False)
        poll(after(minutes=5))
        assert lead.email in [to for message in mail.outbox for to in message.to]

    def test_nobody_sets_anybody_elses(self, lead):
        with pytest.raises(PermissionRefused, match="their own"):
            self.set(lead, actor=make_user(Role.ADMINISTRATOR))

    def test_at_least_one_channel_stays_on(self, lead):
        with pytest.raises(NotificationRefused, match="At least one channel"):
            self.set(lead, by_email=False)

    def test_channel_of_somebody_else_cannot_be_chosen(self, lead, webhook_sink):
        other = add_sink(webhook_sink, owner=make_user())
        with pytest.raises(NotificationRefused, match="somebody else"):
            self.set(lead, webhooks=[other])

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"quiet_from": dt.time(22)}, "a start and an end"),
            (
                {"quiet_from": dt.time(22), "quiet_until": dt.time(22)},
                "have no length",
            ),
            ({"time_zone": "Mars/Olympus"}, "There is no time zone 'Mars/Olympus'"),
        ],
    )
    def test_bad_input_is_refused(self, lead, fields, message):
        with pytest.raises(NotificationRefused, match=message):
            self.set(lead, **fields)


class TestChannels:
    def add(self, role=Role.ADMINISTRATOR, url="slack://T1/B1/C1", **fields):
        return add_webhook(
            actor=make_user(role), name="room", url=url, now=NOON, **fields
        )

    def test_address_is_sealed_and_can_be_opened(self):
        channel = self.add(url="discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
        assert "JHMHI8" not in channel.sealed_url
        assert channel.masked_url == "discord://…"
        assert open_url(channel).endswith("dV_js")

    def test_address_sealed_under_an_older_secret_key_can_be_opened(self, settings):
        channel = self.add(url="discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
        old, settings.SECRET_KEY = settings.SECRET_KEY, "x" * 60
        with pytest.raises(NotificationRefused, match="another SECRET_KEY"):
            open_url(channel)
        settings.SECRET_KEY_FALLBACKS = [old]
        assert open_url(channel).startswith("discord://")

    @pytest.mark.parametrize(
        "url",
        [
            "json://127.0.0.1/",
            "file:///etc/passwd",
            "syslog://",
            "mailto://user:pass@example.org",
            "slack",
            "",
        ],
    )
    def test_scheme_that_is_not_allowed_is_refused_without_the_address(self, url):
        with pytest.raises(NotificationRefused, match="begins with one of") as refused:
            self.add(url=url)
        assert "passwd" not in refused.value.message
        assert "user:pass" not in refused.value.message

    def test_incomplete_address_is_refused(self):
        with pytest.raises(
            NotificationRefused, match="a part that the service needs is missing"
        ):
            self.add(url="slack://T1")

    @pytest.mark.parametrize(
        "role", [Role.RESPONDER, Role.REVIEWER, Role.AUDITOR, Role.MACHINE, None]
    )
    def test_only_an_administrator_adds_one(self, role):
        with pytest.raises(PermissionRefused, match="add webhook channel"):
            self.add(role)

    def test_history_tells_of_changes_without_the_address(self):
        channel = self.add(url="discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js")
        change_webhook(
            actor=make_user(Role.ADMINISTRATOR),
            webhook_id=channel.pk,
            name="other room",
            owner=None,
            team=None,
            wants_warnings=True,
            is_active=True,
            url="discord://4174216298/ANOTHERqBe7bk2ZwO5U711o3dV_js",
        )
        added, changed = AuditEntry.objects.filter(
            action__startswith="webhook."
        ).order_by("id")
        assert changed.after["url_changed"] is True
        assert "JHMHI8" not in f"{added.after}{changed.before}{changed.after}"
        assert "ANOTHER" not in f"{changed.after}"


class TestAssignments:
    def test_new_lead_is_told(self, lead):
        incident = make_incident()
        assign_lead(
            actor=make_user(), incident_id=incident.pk, lead=lead, now=after(minutes=1)
        )
        deliver_notifications(now=after(minutes=1))
        assert mail.outbox[0].to == ["lead@example.org"]
        assert "You lead this case now" in mail.outbox[0].subject

    def test_assignee_of_an_item_is_told_of_the_phase_not_the_text(self, case, lead):
        item = case.current_cycle.checklist.filter(phase="contain").first()
        assign_item(
            actor=make_user(), item_id=item.pk, assignee=lead, now=after(minutes=1)
        )
        row = Notification.objects.get(kind="assigned", key__contains="item")
        assert row.headline == "An item of CONTAIN is assigned to you"

    def test_nobody_is_told_of_what_they_did_themselves(self, lead):
        incident = make_incident()
        assign_lead(actor=lead, incident_id=incident.pk, lead=lead)
        assert not Notification.objects.exists()

    def test_assignment_that_is_rolled_back_is_not_told(self, lead):
        incident = make_incident()
        with transaction.atomic():
            assign_lead(actor=make_user(), incident_id=incident.pk, lead=lead)
            assert Notification.objects.exists()
            transaction.set_rollback(True)
        assert not Notification.objects.exists()


class TestKillAll:
    def order(self, case, actor, *, minutes=1):
        return KillSwitch.objects.create(
            scope="all",
            reason="ransom note",
            incident=case,
            ordered_at=after(minutes=minutes),
            ordered_by=actor,
        )

    def told(self):
        rows = Notification.objects.filter(kind="kill_all")
        return {row.recipient.username for row in rows}

    def test_second_person_is_told_at_once_whatever_their_quiet_hours(self, case):
        reviewer = make_user(Role.REVIEWER)
        NotificationPreference.objects.create(
            user=reviewer, quiet_from=dt.time(0), quiet_until=dt.time(23, 59)
        )
        switch = self.order(case, make_user())
        assert notify_kill_all(kill_switch_id=switch.pk, now=after(minutes=1)) == 2
        assert self.told() == {"reviewer", "lead"}
        assert deliver_notifications(now=after(minutes=1)) == 2
        assert "ransom" not in mail.outbox[0].body

    def test_delivered_twice_it_is_told_once(self, case):
        switch = self.order(case, make_user())
        for _ in range(2):
            notify_kill_all(kill_switch_id=switch.pk)
        assert Notification.objects.count() == 2

    def test_who_ordered_it_is_not_the_second_person(self, case, lead):
        switch = self.order(case, lead)
        notify_kill_all(kill_switch_id=switch.pk)
        assert self.told() == {"reviewer"}

    def test_lost_task_is_found_by_the_check(self, case):
        self.order(case, make_user(), minutes=1)
        for minutes in (2.5, 4):
            poll(after(minutes=minutes))
        assert check_reminders(now=after(minutes=4.5)).repaired == 2
        assert self.told() == {"reviewer", "lead"}


def test_other_reminders_are_written_once_for_each_key(lead):
    for _ in range(2):
        remind(
            key="action-item:7:2026-04-01",
            people=[lead],
            headline="An action item is due tomorrow",
            about=lead,
            owed_at=NOON,
            now=NOON,
        )
    deliver_notifications(now=NOON)
    assert len(mail.outbox) == 1
    assert mail.outbox[0].subject == "[Casefile] An action item is due tomorrow"
