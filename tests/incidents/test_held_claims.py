"""Who works on what is told by the database's sessions; no clock that is set ends it.

Every kind of row that a worker claims, or that is put off until a moment, is tried
here: with a holder that lives, and a clock set an hour forth and back.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from celery import current_app
from django.apps import apps
from django.db import connection, transaction
from pytest_django import Settings

from evidence.audit.log.growing import grow_log
from evidence.audit.log.publishing import publish_checkpoints
from evidence.models import LogCopy, QueuedWork, VerificationRequest, WorkState
from evidence.queue.claiming import start_work
from evidence.queue.holding import Holding, is_held, lock_name
from evidence.queue.running import registered_kinds, run_work
from evidence.queue.sweeping import requeue_lost_work
from evidence.set_clocks import TOLERANCE, has_passed, is_put_off
from incidents.models import ArchiveCopy, Notification, ReminderCursor
from incidents.services.archives.bucket_copies import copy_archive, sweep_copies
from incidents.services.notifications.claim_times import (
    LEASE,
    StandingStill,
    pause_after,
    put_right,
)
from incidents.services.notifications.delivery import deliver_notifications
from incidents.services.notifications.reminder_check import (
    ReminderCheckFailing,
    check_health,
)
from incidents.services.notifications.reminders import follow_clocks
from tests.evidence.audit.test_log import write
from tests.evidence.helpers import read_vector, receive
from tests.factories import NOON, make_incident, make_user
from tests.incidents.archives.test_bucket_copies import make_archive
from tests.incidents.notifications.making import after, claim_and_die

for app in ("evidence", "policy", "incidents"):
    # They make every kind of work known.
    import_module(f"{app}.tasks")

HOUR = dt.timedelta(hours=1)
SECOND = dt.timedelta(seconds=1)
CLAIMED = {ArchiveCopy, LogCopy, Notification}
MOMENTS_OF_CLAIMS = re.compile(
    r"next_try_at|touched_at|(claim|lease|lock|taken|held)\w*_until"
)


@contextmanager
def held_by_another(name: str) -> Iterator[None]:
    """Have another session hold a lock, as a worker does that lives."""
    another = connection.copy()
    try:
        with another.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        yield
        # A session that only goes frees its locks some moments later.
        with another.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
    finally:
        another.close()


@contextmanager
def asked_by_another(*names: str) -> Iterator[list[bool]]:
    """Have another session ask for locks, as a sweep does in its transaction."""
    answers: list[bool] = []
    has_asked, is_over = threading.Event(), threading.Event()

    def run() -> None:
        with transaction.atomic():
            answers.extend(map(is_held, names))
            has_asked.set()
            is_over.wait(30)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert has_asked.wait(30)
        yield answers
    finally:
        is_over.set()
        thread.join(30)


@pytest.fixture
def claimed(db: None) -> Notification:
    """A message that a worker claimed at 12:02:30, to send it."""
    lead = make_user()
    lead.email = "lead@example.org"
    lead.save()
    make_incident(actor=lead, lead=lead, detected_at=NOON, now=NOON)
    follow_clocks(now=after(minutes=2.5))
    (row,) = claim_and_die(1, now=after(minutes=2.5)) or ()
    return row


def test_every_model_with_claims_is_tried_here() -> None:
    known = {*CLAIMED, *(kind.model for kind in registered_kinds())}
    found = {
        model
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if MOMENTS_OF_CLAIMS.fullmatch(field.name)
    }
    assert found == known
    work = {model for model in found if issubclass(model, QueuedWork)}
    assert found - work == CLAIMED


@pytest.mark.parametrize("length", [HOUR, -HOUR], ids=["forth", "back"])
def test_message_in_the_hands_of_a_living_worker_is_not_sent_by_another(
    claimed: Notification, mailoutbox: list, length: dt.timedelta
) -> None:
    with held_by_another(lock_name(Notification, claimed.pk)):
        assert deliver_notifications(now=after(minutes=2.6) + length) == 0
        assert deliver_notifications(now=after(minutes=2.7) + length) == 0
    claimed.refresh_from_db()
    assert (claimed.state, claimed.attempts) == ("sending", 1)
    assert mailoutbox == []


def test_message_whose_worker_is_gone_is_sent_by_another(
    claimed: Notification, mailoutbox: list
) -> None:
    with held_by_another(lock_name(Notification, claimed.pk)):
        assert deliver_notifications(now=after(minutes=2.6) + HOUR) == 0
    assert deliver_notifications(now=after(minutes=2.6) + HOUR) == 1


def test_what_others_have_in_hand_hides_nothing_that_waits_behind_it(
    claimed: Notification, mailoutbox: list
) -> None:
    make_incident(actor=claimed.recipient, lead=claimed.recipient, now=NOON)
    follow_clocks(now=after(minutes=2.6))
    with held_by_another(lock_name(Notification, claimed.pk)):
        assert claim_and_die(1, now=after(minutes=5)) is not None
    claimed.refresh_from_db()
    assert claimed.attempts == 1


def test_restarted_database_does_not_end_claims_before_their_time(
    claimed: Notification, mailoutbox: list
) -> None:
    # It forgets every lock, and the workers may still be sending.
    assert deliver_notifications(now=after(minutes=2.5) + LEASE - SECOND) == 0


def test_worker_that_stands_still_holds_a_message_for_no_longer_than_a_claim(
    claimed: Notification,
) -> None:
    watch, lease = StandingStill(), LEASE.total_seconds()
    assert not watch.has(claimed, at=100.0)
    assert not watch.has(claimed, at=100.0 + lease - 1)
    assert watch.has(claimed, at=100.0 + lease)
    # A claim that was made since is another.
    claimed.attempts += 1
    assert not watch.has(claimed, at=100.0 + lease)


def test_readiness_tells_of_a_message_that_is_in_hand_for_too_long(
    claimed: Notification,
) -> None:
    # All that is owed is planned.
    ReminderCursor.objects.update(next_at=None)
    with pytest.raises(ReminderCheckFailing, match="1 messages have been waiting"):
        check_health()


@pytest.mark.parametrize("attempts", [1, 4])
def test_try_that_a_clock_ahead_has_put_off_is_made_once_it_is_set_right(
    claimed: Notification, attempts: int
) -> None:
    rows = Notification.objects.filter(pk=claimed.pk)
    pause = pause_after(attempts)
    rows.update(state="pending", attempts=attempts, next_try_at=NOON + HOUR + pause)
    assert put_right(now=NOON + HOUR) == 0
    assert put_right(now=NOON + HOUR - TOLERANCE) == 0
    assert put_right(now=NOON) == 1
    assert rows.get().next_try_at == NOON


def test_message_that_is_to_go_out_later_is_left_to_its_moment(
    claimed: Notification,
) -> None:
    rows = Notification.objects.filter(pk=claimed.pk)
    later = NOON + 8 * HOUR
    rows.update(state="pending", attempts=0, next_try_at=later, send_at=later)
    assert put_right(now=NOON) == 0


@pytest.mark.parametrize("length", [HOUR, -HOUR], ids=["forth", "back"])
def test_checkpoint_on_its_way_is_not_given_twice(
    transactional_db: None, settings: Settings, tmp_path: Path, length: dt.timedelta
) -> None:
    settings.LOG_PLACES = [f"file://{tmp_path}/away"]
    write()
    grow_log(now=NOON)
    publish_checkpoints(now=NOON)
    copy = LogCopy.objects.get()
    (tmp_path / "away").mkdir()
    with held_by_another(lock_name(LogCopy, copy.pk)):
        assert publish_checkpoints(now=NOON + length) == 0
    # Once that one is gone, the clock that was set holds nothing back.
    assert publish_checkpoints(now=NOON + length) == 1


def test_archive_on_its_way_to_the_bucket_is_not_sent_by_another(
    db: None, settings: Settings
) -> None:
    settings.ARCHIVE_BUCKET = "s3://kept?lock_days=400"
    make_archive()
    assert len(sweep_copies(now=NOON)) == 1
    copy = ArchiveCopy.objects.get()
    with held_by_another(lock_name(ArchiveCopy, copy.pk)):
        # Not even asked for: there is no such bucket.
        assert copy_archive(copy_id=copy.pk, now=NOON + HOUR) is False
    copy.refresh_from_db()
    assert (copy.attempts, copy.last_problem) == (0, "")
    assert sweep_copies(now=NOON) == []
    # Claimed by a clock ahead, which was set right since.
    assert sweep_copies(now=NOON - HOUR) == [copy.pk]


@pytest.mark.parametrize("kind", registered_kinds(), ids=lambda kind: kind.task)
def test_work_in_hand_is_done_by_no_other(db: None, kind) -> None:
    with held_by_another(lock_name(kind.model, 4711)):
        # Not even looked for: there is no such row.
        assert run_work(kind, 4711) is None


def test_work_that_a_clock_ahead_has_touched_is_found_lost(db: None) -> None:
    current_app.control.purge()
    item = receive(make_incident().pk, read_vector("plain"), now=NOON)
    asked = item.verification_requests.get()
    rows = VerificationRequest.objects.filter(pk=asked.pk)
    rows.update(touched_at=NOON + HOUR)
    assert requeue_lost_work(now=NOON + HOUR) == 0
    assert requeue_lost_work(now=NOON) == 1
    start_work(VerificationRequest, asked.pk)
    rows.update(touched_at=NOON + HOUR)
    assert requeue_lost_work(now=NOON) == 1
    assert rows.get().state == WorkState.RUNNING


def test_log_goes_on_after_its_clock_was_set_back(db: None) -> None:
    write()
    grow_log(now=NOON + HOUR)
    write()
    assert grow_log(now=NOON).made_at == NOON


def ask_elsewhere(name: str) -> bool:
    """Return whether another session finds a lock held."""
    answers: list[bool] = []

    def run() -> None:
        answers.append(is_held(name))
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return answers[0]


def end_session() -> None:
    """End this session in the database, as its restart does, before Django knows."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone()
    another = connection.copy()
    with another.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    another.close()


def test_lock_is_one_run_s_until_it_ends(transactional_db: None) -> None:
    name = "incidents.notification:1"
    with Holding() as holding:
        assert holding.take([name, "another"]) == {name, "another"}
        assert holding.take([name]) == set()
        assert ask_elsewhere(name)
        holding.let_go([name])
        assert not ask_elsewhere(name)
        assert holding.take([name]) == {name}
    assert not ask_elsewhere(name)


@pytest.mark.parametrize("by", ["holding on", "taking more"])
def test_locks_that_went_with_their_session_are_taken_again(
    transactional_db: None, by: str
) -> None:
    with Holding() as holding:
        assert len(holding.take(["mine", "another's"])) == 2
        end_session()
        with held_by_another("another's"):
            if by == "holding on":
                holding.hold_on()
            else:
                # As Django does after an error, and then begins anew.
                connection.close()
                assert holding.take(["new"]) == {"new"}
            assert ask_elsewhere("mine")
            assert ask_elsewhere("another's")
        # What somebody else took meanwhile is not held besides, but asked for again:
        # it may have been the lost session, which the database did not miss yet.
        assert not ask_elsewhere("another's")
        holding.hold_on()
        assert ask_elsewhere("another's")
        holding.let_go(["another's"])
        holding.hold_on()
        assert not ask_elsewhere("another's")
    assert not ask_elsewhere("mine")


def test_lock_that_is_had_again_while_it_is_wanted_is_let_go_of_at_once(
    transactional_db: None,
) -> None:
    with Holding() as holding:
        holding.take(["mine"])
        end_session()
        with held_by_another("mine"):
            holding.hold_on()
        assert holding.take(["mine"]) == set()
        assert ask_elsewhere("mine")
        holding.let_go(["mine"])
        assert not ask_elsewhere("mine")


def test_who_asks_is_not_taken_for_somebody_at_work(transactional_db: None) -> None:
    with Holding() as holding:
        holding.take(["mine"])
        end_session()
        with asked_by_another("mine", "new") as answers:
            assert answers == [False, False]
            holding.hold_on()
            assert holding.take(["new"]) == {"new"}
        assert ask_elsewhere("mine")
        assert ask_elsewhere("new")


def by(now: dt.datetime, function: Callable[..., bool], *times: dt.timedelta) -> list:
    return [function(NOON + length, 2 * SECOND, now=now) for length in times]


def test_moments_ahead_of_every_clock_count_as_passed() -> None:
    beyond = TOLERANCE + SECOND
    assert by(NOON, has_passed, -2 * SECOND, -SECOND, TOLERANCE, beyond) == [
        *(True, False, False, True)
    ]
    assert by(NOON, is_put_off, beyond, beyond + SECOND, beyond + 2 * SECOND) == [
        *(False, False, True)
    ]
