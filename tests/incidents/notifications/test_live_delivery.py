"""Real workers on a real broker, one of them killed while it sends."""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator

import pytest
from celery import current_app
from django.db.models import F
from django.utils import timezone

from evidence.accounts.access import Role
from evidence.queue.holding import is_held, lock_name
from incidents.models import Notification, NotificationAttempt, PlaybookVersion
from tests.factories import make_incident, make_playbooks, make_user
from tests.incidents.notifications.making import add_sink, drop_sessions
from tests.incidents.notifications.sinks import Sink, run_mail_sink
from tests.live import LiveWorker

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]
CASES = 8
HOUR = dt.timedelta(hours=1)
PEOPLE = 2


@pytest.fixture
def mail_server() -> Iterator[Sink]:
    with run_mail_sink() as sink:
        yield sink


@pytest.fixture
def two_workers(
    transactional_db, evidence_folder, tmp_path, mail_server
) -> Iterator[list[LiveWorker]]:
    """Give two workers that are not started yet."""
    current_app.control.purge()
    workers = [
        LiveWorker(
            evidence_folder,
            tmp_path / f"worker{number}.log",
            environment={
                "EMAIL_URL": f"smtp://127.0.0.1:{mail_server.port}",
                "WEBHOOK_SCHEMES": "json",
            },
        )
        for number in range(2)
    ]
    try:
        yield workers
    finally:
        for worker in workers:
            worker.stop()


def play_beat(times: int = 1) -> None:
    """Send what beat sends, as several beats at once would."""
    for _ in range(times):
        current_app.send_task("incidents.plan_reminders")
        current_app.send_task("incidents.deliver_notifications")


def make_overdue_cases(count: int = CASES) -> None:
    make_user(Role.REVIEWER)
    open_overdue_cases(make_playbooks()["INC-2"], count)


def open_overdue_cases(version: PlaybookVersion, count: int) -> None:
    now = timezone.now()
    for _ in range(count):
        make_incident(
            playbook_version=version,
            actor=make_user(),
            lead=make_user(),
            detected_at=now - dt.timedelta(minutes=6),
            now=now,
        )


def set_clock(length: dt.timedelta) -> None:
    """Have claims seem made so much earlier: a clock was set by so much, forth or back.

    That is all of it that others see of a claim which somebody else holds.
    """
    claimed = Notification.objects.filter(state="sending")
    assert claimed.update(next_try_at=F("next_try_at") - length)


def count_held() -> int:
    """Return how many messages' locks are held."""
    names = [
        lock_name(Notification, pk)
        for pk in Notification.objects.values_list("pk", flat=True)
    ]
    return sum(map(is_held, names))


def count_runs(workers: list[LiveWorker]) -> int:
    """Return how many runs of the delivery have ended."""
    log = "".join(worker.log.read_text() for worker in workers)
    began = re.findall(r"task=incidents\.deliver_notifications task_id=(\S+)", log)
    ended = re.findall(r"task_succeeded .* task_id=(\S+)", log)
    return len({*began} & {*ended})


def make_claims_run_out() -> None:
    """Let two minutes pass for what a worker that was killed had claimed."""
    Notification.objects.filter(state="sending").update(next_try_at=timezone.now())


@pytest.mark.parametrize("channel", ["e-mail", "webhook"])
def test_two_workers_and_one_killed_in_mid_send_leave_each_message_once(
    two_workers, mail_server, webhook_sink, channel
):
    add_sink(webhook_sink)
    held = mail_server if channel == "e-mail" else webhook_sink
    held.hold_next()
    make_overdue_cases()
    breaches = Notification.objects.filter(kind="breach")
    total = CASES * (PEOPLE + 1)
    victim, other = two_workers
    victim.start()
    play_beat(4)
    victim.wait_for(lambda: held.held)

    # The first hangs in a send; the second passes its row by and sends the rest.
    other.start()
    play_beat(4)
    other.wait_for(lambda: breaches.filter(state="sent").count() == total - 1)
    stuck = breaches.get(state="sending")
    victim.kill()
    held.release.set()

    victim.start()
    play_beat(4)
    make_claims_run_out()
    play_beat(4)
    other.wait_for(lambda: breaches.filter(state="sent").count() == total)
    play_beat(2)
    for worker in two_workers:
        worker.stop()

    (key,) = held.held
    for sink, count in ((mail_server, CASES * PEOPLE), (webhook_sink, CASES)):
        assert len(sink.accepted) == len(set(sink.accepted)) == count
        times = Counter(message.key for message in sink.received)
        # What the worker died over came twice, under the same key.
        assert times.pop(key, 2) == 2
        assert set(times.values()) == {1}
    tries = NotificationAttempt.objects.filter(notification=stuck)
    assert [delivery.outcome for delivery in tries] == ["lost", "sent"]
    assert breaches.count() == total


@pytest.mark.parametrize("length", [HOUR, -HOUR], ids=["forth", "back"])
def test_clock_that_is_set_in_mid_send_sends_nothing_twice(
    two_workers, mail_server, webhook_sink, length
):
    add_sink(webhook_sink)
    mail_server.pause()
    webhook_sink.pause()
    for worker in two_workers:
        worker.start()
    make_overdue_cases(2)
    play_beat()
    one, other = two_workers
    one.wait_for(lambda: len(mail_server.received) >= 2)
    ended = count_runs(two_workers)
    set_clock(length)
    play_beat(4)
    # Who is not at it looks at the claims, while they are under way.
    other.wait_for(lambda: count_runs(two_workers) >= ended + 2)
    mail_server.release.set()
    webhook_sink.release.set()
    breaches = Notification.objects.filter(kind="breach")
    one.wait_for(lambda: not breaches.exclude(state="sent").exists())
    play_beat(2)
    for worker in two_workers:
        worker.stop()
    assert breaches.count() == 2 * (PEOPLE + 1)
    for sink, count in ((mail_server, 2 * PEOPLE), (webhook_sink, 2)):
        keys = [message.key for message in sink.received]
        assert len(keys) == len(set(keys)) == count
    assert set(breaches.values_list("attempts", flat=True)) == {1}


def test_database_that_restarts_in_mid_send_has_nothing_sent_twice(
    two_workers, mail_server
):
    one, other = two_workers
    for worker in two_workers:
        worker.start()
    breaches = Notification.objects.filter(kind="breach")

    # Just before the answer of the mail server: that it went out is recorded later.
    mail_server.pause()
    make_overdue_cases(1)
    play_beat()
    one.wait_for(lambda: len(mail_server.received) == PEOPLE)
    assert drop_sessions()
    mail_server.release.set()
    one.wait_for(lambda: breaches.filter(state="sent").count() == PEOPLE)

    # Long before: who sends asks for its locks again, and no clock ends its claims.
    mail_server.pause()
    open_overdue_cases(PlaybookVersion.objects.get(incidents__isnull=False), 1)
    play_beat()
    one.wait_for(lambda: len(mail_server.received) == 2 * PEOPLE)
    assert drop_sessions()
    one.wait_for(lambda: count_held() == PEOPLE)
    ended = count_runs(two_workers)
    set_clock(HOUR)
    play_beat(4)
    other.wait_for(lambda: count_runs(two_workers) >= ended + 2)
    mail_server.release.set()
    one.wait_for(lambda: breaches.filter(state="sent").count() == 2 * PEOPLE)
    play_beat(2)
    for worker in two_workers:
        worker.stop()
    assert len(mail_server.received) == len(mail_server.accepted) == 2 * PEOPLE
    tries = NotificationAttempt.objects.values_list("outcome", flat=True)
    assert [*tries] == ["sent"] * 2 * PEOPLE


def test_claim_of_a_killed_worker_whose_clock_ran_ahead_is_taken_over_at_once(
    two_workers, mail_server
):
    mail_server.hold_next()
    make_overdue_cases(1)
    victim, other = two_workers
    victim.start()
    play_beat()
    victim.wait_for(lambda: mail_server.held)
    victim.kill()
    set_clock(-HOUR)
    mail_server.release.set()
    other.start()
    play_beat(2)
    breaches = Notification.objects.filter(kind="breach")
    other.wait_for(lambda: breaches.filter(state="sent").count() == PEOPLE)
    assert set(mail_server.accepted) >= set(mail_server.held)
