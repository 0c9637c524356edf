"""Sending: claimed once, tried again, given up visibly; what a message says."""

import datetime as dt
import json
import logging
import pkgutil
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core import mail
from django.core.mail import backends
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from evidence.accounts.access import Role
from evidence.errors import PermissionRefused
from evidence.models import AuditEntry
from incidents.errors import NotificationRefused
from incidents.models import (
    AttemptOutcome,
    Notification,
    NotificationAttempt,
    NotificationPreference,
    NotificationState,
)
from incidents.services.notifications.channels import (
    MAY_HAVE_ARRIVED,
    PRINTING_BACKENDS,
    MailSession,
    idempotency_key,
)
from incidents.services.notifications.claim_times import LEASE, pause_after
from incidents.services.notifications.claims import give_back
from incidents.services.notifications.delivery import (
    deliver_notifications,
    settle,
)
from incidents.services.notifications.outbox import retry_notification
from incidents.services.notifications.reminder_check import count_by_state
from incidents.services.notifications.reminders import follow_clocks
from incidents.services.notifications.senders import Sent, send_row
from tests.factories import make_evidence, make_incident, make_playbooks, make_user
from tests.incidents.notifications.making import (
    SECRET_PATH,
    add_sink,
    after,
    claim_and_die,
    copy_case,
    drop_sessions,
    poll,
    rows_named,
)

pytestmark = [pytest.mark.django_db, pytest.mark.long]
SECOND = dt.timedelta(seconds=1)


def make_warning(case) -> Notification:
    """Write down the half-time warning of CONTAIN, for the lead by e-mail."""
    follow_clocks(now=after(minutes=2.5))
    return Notification.objects.get()


def claim_next(*, now: dt.datetime) -> Notification | None:
    """Claim the message that waits longest and is to be sent, if one is."""
    while (rows := claim_and_die(1, now=now)) is not None:
        if rows:
            return rows[0]
    return None


def fresh(row: Notification) -> Notification:
    return Notification.objects.get(pk=row.pk)


def test_message_carries_reference_severity_phase_time_left_and_link(case):
    row = make_warning(case)
    deliver_notifications(now=after(minutes=3))
    (message,) = mail.outbox
    assert message.to == ["lead@example.org"]
    assert message.subject == (
        f"[{case.reference}] HIGH: CONTAIN is due soon: 2 min left"
    )
    for line in (
        f"Reference: {case.reference}",
        "Severity:  High",
        "Handling:  TLP:AMBER",
        "Phase:     CONTAIN",
        "Due:       2026-03-10 12:05:00 UTC",
        "Time left: 2 min left",
        f"Open:      http://testserver/admin/incidents/incident/{case.pk}/change/",
    ):
        assert line in message.body
    assert "late" not in message.body
    assert message.extra_headers["Message-ID"] == f"<{idempotency_key(row)}@testserver>"


def test_message_holds_no_evidence_content(case):
    case.title = "TOP-SECRET-VALUE in ext.weather"
    case.save()
    make_evidence(case, name="TOP-SECRET-VALUE.json")
    poll(after(hours=1))
    assert mail.outbox
    for message in mail.outbox:
        text = f"{message.subject}{message.body}{message.extra_headers}"
        assert "TOP-SECRET-VALUE" not in text
        assert "ext.weather" not in text


def test_times_are_also_told_in_the_readers_zone(case, lead):
    NotificationPreference.objects.create(user=lead, time_zone="Asia/Tokyo")
    poll(after(minutes=2.5))
    assert "12:05:00 UTC (2026-03-10 21:05 JST)" in mail.outbox[0].body


def test_reminder_missed_while_workers_were_down_comes_late_once_and_says_so(case):
    assert poll(after(minutes=90)) == [
        "contain:breach",
        "contain:repeat-2",
        "collect:breach",
        "verify:breach",
    ]
    breach = rows_named("contain:breach")[0]
    assert breach.was_late
    assert "This message is late: it was due 2026-03-10 12:05:00 UTC." in breach.body
    assert "Time left: 1 h 25 min overdue" in breach.body
    count = len(mail.outbox)
    for minutes in (90, 91, 94):
        poll(after(minutes=minutes))
    assert len(mail.outbox) == count
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == (
        count
    )


def test_reminder_within_two_minutes_is_not_called_late(case):
    follow_clocks(now=after(minutes=5))
    deliver_notifications(now=after(minutes=7))
    assert "late" not in rows_named("contain:breach")[0].body


def test_moment_that_the_readers_zone_does_not_have_is_told_in_utc(case, lead):
    NotificationPreference.objects.create(user=lead, time_zone="Asia/Tokyo")
    end = dt.datetime.max.replace(microsecond=0, tzinfo=dt.UTC)
    follow_clocks(now=after(minutes=5))
    case.current_cycle.phases.filter(phase="contain").update(due_at=end)
    deliver_notifications(now=after(minutes=5))
    (breach,) = rows_named("contain:breach")[:1]
    assert breach.state == NotificationState.SENT
    assert "Due:       9999-12-31 23:59:59 UTC\n" in breach.body


class TestMessageThatCannotBeComposed:
    """A phase of no known name, as a repair by hand could leave it."""

    @pytest.fixture
    def healthy(self, case, lead) -> list[Notification]:
        other = make_incident(actor=lead, lead=lead)
        follow_clocks(now=after(minutes=5))
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE contype = 'c' AND "
                "conrelid = 'incidents_incidentphase'::regclass"
            )
            for (name,) in cursor.fetchall():
                cursor.execute(
                    f'ALTER TABLE incidents_incidentphase DROP CONSTRAINT "{name}"'
                )
        case.current_cycle.phases.filter(phase="contain").update(phase="poison")
        return list(Notification.objects.filter(incident=other, kind="breach"))

    def test_it_fails_visibly_and_the_others_go_out(self, case, healthy):
        poisoned = Notification.objects.filter(incident=case, kind="breach")
        assert healthy
        assert poisoned.exists()
        assert deliver_notifications(now=after(minutes=5)) == len(healthy)
        assert {fresh(row).state for row in healthy} == {NotificationState.SENT}
        for row in poisoned:
            assert row.state == NotificationState.FAILED
            assert row.problem == "the message could not be composed: ValueError"
            (attempt,) = row.tries.all()
            assert (attempt.number, attempt.outcome) == (1, "refused")
            assert attempt.detail == row.problem
            assert row.attempts == 1

    def test_the_next_run_leaves_it_alone(self, case, healthy):
        deliver_notifications(now=after(minutes=5))
        assert deliver_notifications(now=after(minutes=6)) == 0


class TestQuietHours:
    @pytest.fixture(autouse=True)
    def quiet(self, lead):
        """Give the lead quiet hours around noon in UTC."""
        NotificationPreference.objects.create(
            user=lead,
            quiet_from=dt.time(21),
            quiet_until=dt.time(21, 30),
            time_zone="Asia/Tokyo",
        )

    def test_warning_is_sent_when_they_end(self, case):
        make_longer(case)
        poll(after(minutes=20))
        (row,) = rows_named("contain:1-2-left")
        assert (row.state, row.send_at) == ("pending", after(minutes=30))
        poll(after(minutes=30) - SECOND)
        assert fresh(row).state == "pending"
        poll(after(minutes=30))
        assert fresh(row).state == "sent"
        assert "late" not in fresh(row).body

    def test_warning_that_would_wait_past_the_due_time_is_overtaken(self, case):
        make_warning(case)
        poll(after(minutes=31))
        assert rows_named("contain:1-2-left")[0].state == "overtaken"

    def test_breach_and_repeats_are_never_silenced(self, case, lead):
        poll(after(minutes=5))
        make_longer(case, minutes=-10)
        poll(after(minutes=20))
        sent = Notification.objects.filter(
            recipient=lead, kind__in=("breach", "repeat"), state="sent"
        )
        assert sent.filter(kind="breach", key__contains=":contain:").exists()
        assert sent.filter(kind="repeat").exists()


def make_longer(case, *, minutes: float = 40) -> None:
    case.current_cycle.phases.filter(phase="contain").update(
        due_at=after(minutes=minutes)
    )


class TestWhatTheLogSays:
    def test_warning_that_may_have_arrived_is_not_called_overtaken(self, case):
        row = make_warning(case)
        # A worker claims it and is killed, perhaps after the server took the message.
        assert claim_next(now=after(minutes=3)) == row
        poll(after(minutes=31))
        assert fresh(row).state == "sent"
        assert [one.outcome for one in row.tries.all()] == ["lost", "sent"]

    def test_warning_whose_answer_never_came_is_not_called_overtaken(self, case):
        row = make_warning(case)
        Notification.objects.filter(pk=row.pk).update(
            attempts=1, problem=f"TimeoutError. {MAY_HAVE_ARRIVED}"
        )
        poll(after(minutes=31))
        assert fresh(row).state == "sent"

    @pytest.mark.parametrize("first", ["lost", "unanswered"])
    def test_later_tries_do_not_make_it_overtaken(self, case, settings, first):
        row = make_warning(case)
        (claimed,) = claim_and_die(1, now=after(minutes=2.5))
        if first == "unanswered":
            unanswered = f"TimeoutError. {MAY_HAVE_ARRIVED}"
            sent = Sent(claimed, AttemptOutcome.FAILED, unanswered)
            settle([sent], now=after(minutes=2.5))
        before = settings.EMAIL_BACKEND
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        deliver_notifications(now=after(minutes=4.6))
        assert "ConnectionRefusedError" in fresh(row).problem
        settings.EMAIL_BACKEND = before
        poll(after(minutes=31))
        assert fresh(row).state == "sent"

    def test_last_failure_says_that_an_earlier_try_may_have_arrived(self, case):
        row = make_warning(case)
        claim_and_die(1, now=after(minutes=2.5))
        (again,) = claim_and_die(1, now=after(minutes=2.5) + LEASE)
        settle(
            [Sent(again, AttemptOutcome.REFUSED, "the mail server answered 550")],
            now=after(minutes=5),
        )
        assert fresh(row).state == "failed"
        assert fresh(row).problem == (
            f"the mail server answered 550. {MAY_HAVE_ARRIVED}"
        )

    def test_what_may_have_arrived_at_somebody_who_left_says_so(self, case, lead):
        row = make_warning(case)
        claim_next(now=after(minutes=3))
        type(lead).objects.filter(pk=lead.pk).update(is_active=False)
        poll(after(minutes=31))
        assert fresh(row).state == "failed"
        assert fresh(row).problem == (
            f"the person is no longer active. {MAY_HAVE_ARRIVED}"
        )


class TestRetrying:
    def test_refused_connection_is_tried_again_with_growing_pauses(
        self, case, settings
    ):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        row = make_warning(case)
        assert deliver_notifications(now=after(minutes=2.5)) == 0
        assert fresh(row).state == NotificationState.PENDING
        assert fresh(row).next_try_at == after(minutes=3)
        assert "could not be used: ConnectionRefusedError" in fresh(row).problem
        assert [delivery.outcome for delivery in row.tries.all()] == ["failed"]
        assert [pause_after(n).total_seconds() for n in (1, 2, 3, 8, 30)] == [
            30,
            60,
            120,
            3600,
            3600,
        ]

    def test_it_ends_as_a_visible_failure(self, case, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        follow_clocks(now=after(minutes=5))
        row = rows_named("contain:breach")[0]
        for hour in range(1, 12):
            deliver_notifications(now=after(hours=hour))
        assert fresh(row).state == NotificationState.FAILED
        assert row.tries.count() == fresh(row).attempts == 8

    def test_temporary_answer_of_the_mail_server_is_tried_again(self, case, mail_sink):
        mail_sink.code = 451
        row = make_warning(case)
        deliver_notifications(now=after(minutes=2.5))
        assert fresh(row).problem == "the mail server answered 451"
        mail_sink.code = 0
        assert deliver_notifications(now=after(minutes=3)) == 1
        assert fresh(row).state == NotificationState.SENT
        assert len(mail_sink.accepted) == 1

    def test_permanent_answer_ends_at_once(self, case, mail_sink):
        mail_sink.code = 550
        row = make_warning(case)
        deliver_notifications(now=after(minutes=2.5))
        assert fresh(row).state == NotificationState.FAILED
        assert fresh(row).problem == "the mail server answered 550"

    def test_person_without_an_address_is_a_visible_failure(self, case, lead):
        lead.email = ""
        lead.save()
        row = make_warning(case)
        deliver_notifications(now=after(minutes=2.5))
        assert fresh(row).problem == "The person has no e-mail address."

    def test_reviewer_sends_a_failed_one_again(self, case, lead):
        lead.email = ""
        lead.save()
        row = make_warning(case)
        deliver_notifications(now=after(minutes=2.5))
        lead.email = "lead@example.org"
        lead.save()
        retry_notification(
            actor=make_user(Role.REVIEWER),
            notification_id=row.pk,
            now=after(minutes=3),
        )
        assert deliver_notifications(now=after(minutes=3)) == 1
        assert [delivery.outcome for delivery in row.tries.all()] == ["refused", "sent"]
        assert AuditEntry.objects.filter(action="notification.retried").count() == 1

    @pytest.mark.parametrize("role", [Role.RESPONDER, Role.AUDITOR, Role.MACHINE, None])
    def test_others_may_not(self, case, role):
        row = make_warning(case)
        with pytest.raises(PermissionRefused, match="send a failed notification again"):
            retry_notification(actor=make_user(role), notification_id=row.pk)

    def test_one_that_was_sent_is_not_sent_again(self, case):
        row = make_warning(case)
        deliver_notifications(now=after(minutes=3))
        with pytest.raises(NotificationRefused, match="is sent: only one that failed"):
            retry_notification(actor=make_user(Role.REVIEWER), notification_id=row.pk)


class TestClaiming:
    def test_claim_that_nobody_settles_runs_out_and_is_taken_over(self, case):
        row = make_warning(case)
        moment = after(minutes=2.5)
        assert claim_next(now=moment) == row
        assert claim_next(now=moment) is None
        assert claim_next(now=moment + LEASE - SECOND) is None
        again = claim_next(now=moment + LEASE)
        assert again == row
        assert again.attempts == 2
        assert idempotency_key(again) == idempotency_key(row)
        assert [delivery.outcome for delivery in row.tries.all()] == ["lost"]

    def test_what_was_claimed_and_not_begun_is_given_back_as_it_was(self, case):
        follow_clocks(now=after(minutes=5))
        rows = claim_and_die(9, now=after(minutes=5))
        assert len(rows) == 2
        assert give_back(rows, now=after(minutes=5)) == 2
        for row in map(fresh, rows):
            assert (row.state, row.attempts, row.attempts_left) == ("pending", 0, 8)
            assert not row.tries.exists()
        assert len(claim_and_die(9, now=after(minutes=5))) == 2

    def test_what_another_worker_took_over_is_not_given_back(self, case):
        make_warning(case)
        slow = claim_and_die(1, now=after(minutes=2.5))
        (row,) = claim_and_die(1, now=after(minutes=2.5) + LEASE)
        assert give_back(slow, now=after(minutes=4.6)) == 0
        assert fresh(row).state == "sending"

    def test_claims_cost_the_same_for_one_as_for_many(self, case, lead):
        follow_clocks(now=after(minutes=2.5))
        counts = []
        for most in (1, 8):
            with CaptureQueriesContext(connection) as queries:
                rows = claim_and_die(most, now=after(minutes=2.5))
            counts.append((len(rows), len(queries)))
            copy_case(case, 8)
            follow_clocks(now=after(minutes=2.5))
        assert [rows for rows, _ in counts] == [1, 8]
        assert counts[0][1] == counts[1][1]

    def test_burst_that_outruns_the_statistics_is_claimed_by_its_index(self, case):
        follow_clocks(now=after(minutes=2.5))
        deliver_notifications(now=after(minutes=2.5))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE incidents_notification")
        copy_case(case, 120)
        follow_clocks(now=after(minutes=2.5))
        with CaptureQueriesContext(connection) as queries:
            assert len(claim_and_die(8, now=after(minutes=2.5))) == 8
        keys, *others = [
            query["sql"] for query in queries if "SKIP LOCKED" in query["sql"]
        ]
        assert not others
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {keys}")
            plan = json.dumps(cursor.fetchone()[0])
        assert "notification_to_send" in plan
        assert '"Sort' not in plan
        assert "Seq Scan" not in plan

    def test_planner_may_sort_again_after_a_claim(self, case):
        make_warning(case)
        claim_and_die(1, now=after(minutes=3))
        with connection.cursor() as cursor:
            cursor.execute("SHOW enable_sort")
            assert cursor.fetchone() == ("on",)

    def test_message_over_which_workers_end_is_given_up(self, case):
        follow_clocks(now=after(minutes=5))
        row = rows_named("contain:breach")[0]
        for hour in range(1, 10):
            while claim_next(now=after(hours=hour)):
                pass
        assert fresh(row).state == NotificationState.FAILED
        assert fresh(row).problem == "its workers ended in sending it"
        assert fresh(row).attempts == 8

    def test_worker_that_was_taken_for_dead_does_not_overwrite_the_outcome(self, case):
        row = make_warning(case)
        slow = claim_next(now=after(minutes=2.5))
        taken_over = claim_next(now=after(minutes=2.5) + LEASE)
        settle([send_row(taken_over, MailSession())], now=after(minutes=4.6))
        timed_out = Sent(slow, AttemptOutcome.FAILED, "timed out")
        settle([timed_out], now=after(minutes=4.7))
        assert fresh(row).state == NotificationState.SENT
        assert row.tries.count() == 3

    def test_hard_limit_of_the_task_is_shorter_than_the_claim(self):
        from incidents.tasks import deliver_notifications_task

        assert deliver_notifications_task.time_limit < LEASE.total_seconds()

    def test_database_refuses_to_change_or_delete_what_was_sent(self, case):
        row = make_warning(case)
        deliver_notifications(now=after(minutes=3))
        rows = Notification.objects.filter(pk=row.pk)
        with pytest.raises(DatabaseError, match="update"), transaction.atomic():
            rows.update(state="pending")
        with pytest.raises(DatabaseError, match="delete"), transaction.atomic():
            rows.delete()


@pytest.mark.django_db(transaction=True)
def test_four_connections_send_each_message_once(mail_sink, settings):
    versions = make_playbooks()
    make_user(Role.REVIEWER)
    for _ in range(10):
        make_incident(
            actor=make_user(), lead=make_user(), playbook_version=versions["INC-2"]
        )
    follow_clocks(now=after(minutes=6))
    start = threading.Barrier(4)

    def run(_: int) -> int:
        try:
            start.wait()
            return deliver_notifications(now=after(minutes=6))
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(run, range(4)))
    assert sum(counts) == len(mail_sink.accepted) == 20
    assert len(set(mail_sink.accepted)) == 20
    assert set(Notification.objects.values_list("attempts", flat=True)) <= {0, 1}


@pytest.mark.django_db(transaction=True)
def test_what_went_out_while_the_database_was_away_is_recorded_once_it_is_back(
    mail_sink,
):
    make_incident(lead=make_user())
    follow_clocks(now=after(minutes=2.5))
    mail_sink.pause()

    def restart() -> None:
        deadline = time.monotonic() + 60
        while not mail_sink.received and time.monotonic() < deadline:
            time.sleep(0.05)
        drop_sessions()
        connection.close()
        mail_sink.release.set()

    thread = threading.Thread(target=restart)
    thread.start()
    planned = Notification.objects.count()
    assert deliver_notifications(now=after(minutes=2.5)) == planned
    thread.join()
    assert not Notification.objects.exclude(state="sent", attempts=1).exists()
    tries = NotificationAttempt.objects.values_list("outcome", flat=True)
    assert [*tries] == ["sent"] * planned
    assert len(mail_sink.received) == planned


def test_server_that_hangs_holds_one_message_and_no_other(case, mail_sink, settings):
    settings.SENDING_SECONDS = 1.0
    copy_case(case, 6)
    follow_clocks(now=after(minutes=5))
    waiting = Notification.objects.filter(kind="breach").count()
    mail_sink.hold_next()
    assert deliver_notifications(now=after(minutes=5)) == waiting - 1
    assert len(set(mail_sink.accepted)) == waiting - 1
    held = Notification.objects.get(kind="breach", state="pending")
    assert MAY_HAVE_ARRIVED in held.problem
    assert held.attempts == 1


@pytest.mark.parametrize("senders", [1, 2, 7])
def test_any_number_of_senders_sends_each_message_once(
    case, mail_sink, settings, senders
):
    settings.NOTIFICATION_SENDERS = senders
    copy_case(case, 9)
    follow_clocks(now=after(minutes=5))
    waiting = Notification.objects.filter(kind="breach").count()
    assert deliver_notifications(now=after(minutes=5)) == waiting
    assert len(mail_sink.accepted) == len(set(mail_sink.accepted)) == waiting
    assert not Notification.objects.unfinished().filter(kind="breach").exists()


class TestWebhooks:
    def test_shared_channel_hears_of_breaches_with_an_idempotency_key(
        self, case, webhook_sink
    ):
        channel = add_sink(webhook_sink)
        poll(after(minutes=5))
        row = Notification.objects.get(webhook=channel, key__contains="contain")
        assert row.kind == "breach"
        (message,) = [got for got in webhook_sink.received if "CONTAIN" in got.text]
        assert message.key == idempotency_key(row)
        assert case.reference in message.text

    def test_it_hears_of_warnings_where_it_is_set_to(self, case, webhook_sink):
        add_sink(webhook_sink)
        loud = add_sink(webhook_sink, name="loud", wants_warnings=True)
        poll(after(minutes=2.5))
        assert [row.webhook for row in rows_named("contain:1-2-left")] == [None, loud]

    def test_channel_of_another_team_hears_nothing(self, case, webhook_sink):
        from incidents.models import Team

        add_sink(webhook_sink, team=Team.objects.create(name="red"))
        poll(after(minutes=5))
        assert webhook_sink.received == []

    @pytest.mark.parametrize(
        ("code", "state"), [(500, "pending"), (429, "pending"), (404, "failed")]
    )
    def test_answer_decides_on_another_try(self, case, webhook_sink, code, state):
        webhook_sink.code = code
        channel = add_sink(webhook_sink)
        poll(after(minutes=5))
        row = Notification.objects.get(webhook=channel, kind="breach")
        assert (row.state, row.problem) == (state, f"The service answered {code}.")

    def test_unreachable_service_is_tried_again(self, case, webhook_sink):
        channel = add_sink(webhook_sink)
        webhook_sink_port_is_closed = channel.sealed_url
        assert webhook_sink_port_is_closed
        from incidents.services.notifications.webhooks import change_webhook

        change_webhook(
            actor=make_user(Role.ADMINISTRATOR),
            webhook_id=channel.pk,
            name="room",
            owner=None,
            team=None,
            wants_warnings=False,
            is_active=True,
            url="json://127.0.0.1:1/x",
        )
        poll(after(minutes=5))
        row = Notification.objects.get(webhook=channel, kind="breach")
        assert row.state == "pending"
        # Nothing was under way, so nothing may have arrived.
        assert row.problem == "The service refused the connection."

    def test_redirect_is_not_followed(self, case, webhook_sink):
        webhook_sink.code = 302
        channel = add_sink(webhook_sink)
        poll(after(minutes=5))
        row = Notification.objects.get(webhook=channel, kind="breach")
        assert row.problem == "The service answered 302."

    def test_channel_switched_off_sends_nothing_more(self, case, webhook_sink):
        channel = add_sink(webhook_sink)
        follow_clocks(now=after(minutes=5))
        type(channel).objects.update(is_active=False)
        deliver_notifications(now=after(minutes=5))
        assert webhook_sink.received == []
        row = Notification.objects.get(webhook=channel, kind="breach")
        assert row.state == "overtaken"

    def test_scheme_taken_off_the_list_sends_nothing_more(
        self, case, webhook_sink, settings
    ):
        channel = add_sink(webhook_sink)
        settings.WEBHOOK_SCHEMES = ["slack"]
        poll(after(minutes=5))
        assert webhook_sink.received == []
        row = Notification.objects.get(webhook=channel, kind="breach")
        assert row.state == "failed"

    def test_address_is_in_no_row_no_history_and_no_log(
        self, case, webhook_sink, logged
    ):
        webhook_sink.code = 404
        add_sink(webhook_sink)
        poll(after(minutes=5))
        assert SECRET_PATH in webhook_sink.received[0].to
        texts = [str(row.__dict__) for row in Notification.objects.all()]
        texts += [str(row.__dict__) for row in AuditEntry.objects.all()]
        with connection.cursor() as cursor:
            cursor.execute("SELECT sealed_url FROM incidents_webhookchannel")
            texts += [str(cursor.fetchall())]
        texts += [record.getMessage() for record in logged]
        assert not [text for text in texts if SECRET_PATH in text]

    @pytest.fixture
    def logged(self):
        """Collect what reaches the one handler of the log, at its most talkative."""
        records: list[logging.LogRecord] = []
        handler = logging.Handler()
        handler.emit = records.append
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        yield records
        root.removeHandler(handler)
        root.setLevel(level)
        assert records


@pytest.mark.parametrize(
    ("backend", "told"),
    [("console", "printed"), ("filebased", "written to a file"), ("dummy", "thrown")],
)
def test_mail_that_reaches_no_mail_server_is_not_sent(
    case, settings, tmp_path, capsys, backend, told
):
    settings.EMAIL_BACKEND = f"django.core.mail.backends.{backend}.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    row = make_warning(case)
    assert deliver_notifications(now=after(minutes=3)) == 0
    row = fresh(row)
    assert row.state == "printed"
    assert row.get_state_display() == "Printed, not sent"
    assert told in row.problem
    assert "EMAIL_URL" in row.problem
    assert row.finished_at is not None
    assert [delivery.outcome for delivery in row.tries.all()] == ["printed"]
    # Once is enough: a log that fills with it tells nobody either.
    assert claim_next(now=after(minutes=4)) is None


def test_printed_mail_is_amber_in_the_log_and_counted(case, settings, client):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    make_warning(case)
    deliver_notifications(now=after(minutes=3))
    assert count_by_state()["printed"] == 1
    client.force_login(make_user(Role.REVIEWER))
    page = client.get("/admin/incidents/notification/").content.decode()
    badge = re.search(r'data-tone="(\w+)"[^>]*>\s*Printed, not sent', page)
    assert badge is not None
    assert badge[1] == "watch"
    client.force_login(case.lead)
    mine = client.get("/admin/incidents/notification/preferences/").content.decode()
    assert "Printed, not sent" in mine


def test_printed_mail_is_sent_once_there_is_a_server(case, settings):
    before = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    row = make_warning(case)
    deliver_notifications(now=after(minutes=3))
    settings.EMAIL_BACKEND = before
    actor = make_user(Role.REVIEWER)
    retry_notification(actor=actor, notification_id=row.pk, now=after(minutes=4))
    assert deliver_notifications(now=after(minutes=4)) == 1
    assert fresh(row).state == "sent"
    assert len(mail.outbox) == 1


def test_every_mail_backend_of_django_is_sorted():
    known = {name.split(".")[-2] for name in PRINTING_BACKENDS} | {"smtp", "locmem"}
    there = {module.name for module in pkgutil.iter_modules(backends.__path__)}
    assert there - known == {"base"}
