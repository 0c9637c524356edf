"""The check finds what nobody planned, repairs it once, counts it and tells."""

import datetime as dt

import pytest
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from config.metrics import _read_collectors
from evidence.accounts.access import Role
from incidents.models import Notification, ReminderCheckState, ReminderCursor
from incidents.services.notifications.delivery import deliver_notifications
from incidents.services.notifications.reminder_check import (
    GRACE,
    ReminderCheckFailing,
    check_health,
    check_reminders,
)
from incidents.services.notifications.reminders import (
    acknowledge_reminders,
    follow_clocks,
)
from incidents.workflow.phases import Phase
from tests.factories import make_incident, make_user
from tests.incidents.notifications.making import after, poll, rows_named

pytestmark = pytest.mark.django_db


def test_reminders_that_no_poll_planned_are_found_and_sent_late(case):
    result = check_reminders(now=after(minutes=10))
    assert (result.missed, result.stuck) == (3, 0)
    breaches = rows_named("contain:breach")
    assert {row.recipient.username for row in breaches} == {"lead", "reviewer"}
    assert all(row.found_by_check for row in breaches)
    deliver_notifications(now=after(minutes=10))
    assert "This message is late" in rows_named("contain:breach")[0].body


def test_a_cursor_that_skipped_ahead_is_no_excuse(case):
    """The poll trusts its cursors; the check reads the clocks."""
    follow_clocks(now=after(minutes=1))
    ReminderCursor.objects.update(planned_until=after(hours=9), next_at=after(hours=9))
    assert poll(after(minutes=20)) == []
    result = check_reminders(now=after(minutes=20))
    assert result.missed == 4
    deliver_notifications(now=after(minutes=20))
    assert [row.state for row in rows_named("contain:breach")] == ["sent", "sent"]


def test_what_was_planned_in_time_is_not_missed(case):
    for minutes in (2.5, 4, 5, 15):
        poll(after(minutes=minutes))
    result = check_reminders(now=after(minutes=20))
    assert (result.owed, result.missed, result.repaired) == (4, 0, 0)
    assert not Notification.objects.filter(found_by_check=True).exists()


def test_repair_is_made_once(case):
    first = check_reminders(now=after(minutes=10))
    second = check_reminders(now=after(minutes=11))
    assert first.repaired == Notification.objects.count()
    assert (second.missed, second.repaired) == (0, 0)
    follow_clocks(now=after(minutes=11))
    assert Notification.objects.count() == first.repaired


def test_poll_gets_its_time_before_something_counts_as_missed(case):
    due = after(minutes=2.5)
    assert check_reminders(now=due + GRACE - dt.timedelta(seconds=1)).missed == 0
    assert check_reminders(now=due + GRACE).missed == 1


def test_repeats_that_were_acknowledged_are_not_missed(case, lead):
    poll(after(minutes=5))
    acknowledge_reminders(
        actor=lead, incident_id=case.pk, phase=Phase.CONTAIN, now=after(minutes=6)
    )
    poll(after(minutes=60))
    assert check_reminders(now=after(minutes=63)).missed == 0


def test_messages_that_nobody_sends_count_as_stuck(case):
    follow_clocks(now=after(minutes=5))
    result = check_reminders(now=after(minutes=9))
    assert result.stuck == Notification.objects.unfinished().count() > 0


def test_reminder_that_has_nobody_to_go_to_shows_in_the_health(db):
    make_incident()
    result = check_reminders(now=timezone.now())
    assert result.without_recipient > 0
    with pytest.raises(ReminderCheckFailing, match="nobody to go to"):
        check_health()


def test_counts_add_up_over_runs_and_reach_prometheus(case):
    check_reminders(now=after(minutes=10))
    check_reminders(now=after(minutes=50))
    state = ReminderCheckState.objects.get()
    assert state.runs == 2
    text = _read_collectors().decode()
    assert f"casefile_reminders_missed_total {float(state.missed)}" in text
    assert "casefile_reminders_checks_total 2.0" in text
    assert 'casefile_notifications{state="pending"}' in text


def test_health_is_good_after_a_run_and_bad_when_it_is_stale(case):
    check_reminders()
    assert "in 1 runs" in check_health()
    ReminderCheckState.objects.update(
        last_run_at=timezone.now() - dt.timedelta(minutes=21)
    )
    with pytest.raises(ReminderCheckFailing, match="has to every five minutes"):
        check_health()


def test_health_is_bad_where_nobody_plans_though_the_check_runs(case):
    poll(timezone.now())
    check_reminders()
    ReminderCursor.objects.update(next_at=timezone.now() - dt.timedelta(minutes=2))
    with pytest.raises(ReminderCheckFailing, match="should have been planned"):
        check_health()


def test_health_is_bad_where_messages_wait(case):
    check_reminders()
    Notification.objects.update(
        state="pending",
        finished_at=None,
        created_at=timezone.now() - dt.timedelta(minutes=2),
        next_try_at=timezone.now() - dt.timedelta(minutes=2),
    )
    ReminderCursor.objects.update(next_at=None)
    with pytest.raises(ReminderCheckFailing, match="waiting for over a minute"):
        check_health()


def test_health_is_bad_where_beat_never_ran_and_clocks_are_overdue(case):
    with pytest.raises(ReminderCheckFailing, match="has never run"):
        check_health()


def test_readiness_names_the_check(db, settings):
    checks = {part.name: part.check for part in settings.READINESS_PARTS}
    assert import_string(checks["reminders"]) is check_health
    assert "reminders" in Client().get("/readyz").json()["parts"]


def test_checking_does_not_ask_the_database_for_each_case(
    lead, django_assert_max_num_queries
):
    make_user(Role.REVIEWER)
    for _ in range(12):
        make_incident(actor=lead, lead=lead)
    for minutes in (2.5, 4, 5):
        follow_clocks(now=after(minutes=minutes))
    with django_assert_max_num_queries(25):
        check_reminders(now=after(minutes=8))
