import datetime as dt
import errno
import gzip
import os

import pytest
from celery import current_app
from celery._state import _task_stack
from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, OperationalError, connection

from config.heartbeat import write_heartbeat
from evidence.audit.log.growing import grow_log
from evidence.errors import StorageUnavailable
from evidence.models import ExportRequest, VerificationRequest, WorkState
from evidence.queue.claiming import (
    DATABASE_MAY_FAIL,
    MAX_ATTEMPTS,
    STORE_MAY_BE_AWAY,
    end_work,
    lock_unfinished,
    progress_recorder,
    put_back,
    start_work,
    why_given_up,
)
from evidence.queue.holding import lock_name
from evidence.queue.names import (
    LARGE_FROM_BYTES,
    UNPACKED_FACTOR,
    QueueName,
    queue_of_item,
)
from evidence.queue.running import WorkKind, WorkPutBack, run_work, why_waiting
from evidence.queue.sending import send_now
from evidence.queue.sweeping import (
    QUEUED_IS_LOST_AFTER,
    RUNNING_IS_LOST_AFTER,
    count_waiting,
    requeue_lost_work,
)
from evidence.services import request_export, request_verification, run_verification
from tests.brokers import FAULTS, broker_that
from tests.evidence.helpers import read_vector, receive
from tests.factories import NOON, make_incident
from tests.suites import leave_slow

SECOND = dt.timedelta(seconds=1)


@pytest.fixture(autouse=True)
def empty_queue():
    """What other tests left there must not pass for the messages of these."""
    current_app.control.purge()


@pytest.fixture
def request_made(db):
    item = receive(make_incident().pk, read_vector("plain"), now=NOON)
    return item.verification_requests.get()


def test_queued_work_is_queued_again_once_it_went_quiet(
    request_made, django_capture_on_commit_callbacks
):
    assert requeue_lost_work(now=NOON + QUEUED_IS_LOST_AFTER) == 0
    with django_capture_on_commit_callbacks() as callbacks:
        late = NOON + QUEUED_IS_LOST_AFTER + SECOND
        assert requeue_lost_work(now=late) == 1
    assert callbacks[0].args == ("evidence.verify_item", [request_made.pk])
    # The sweep that comes next leaves it alone: it has just been queued.
    assert requeue_lost_work(now=late + SECOND) == 0


def test_running_work_is_queued_again_sooner(request_made):
    start_work(VerificationRequest, request_made.pk)
    VerificationRequest.objects.filter(pk=request_made.pk).update(touched_at=NOON)
    assert requeue_lost_work(now=NOON + RUNNING_IS_LOST_AFTER) == 0
    assert requeue_lost_work(now=NOON + RUNNING_IS_LOST_AFTER + SECOND) == 1


def test_running_work_whose_worker_lives_is_left_alone(request_made):
    start_work(VerificationRequest, request_made.pk)
    VerificationRequest.objects.filter(pk=request_made.pk).update(touched_at=NOON)
    name = lock_name(VerificationRequest, request_made.pk)
    another = connection.copy()
    with another.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [name])
        assert requeue_lost_work(now=NOON + dt.timedelta(days=1)) == 0
    another.close()
    assert requeue_lost_work(now=NOON + dt.timedelta(days=1)) == 1


def test_work_that_waits_in_a_long_queue_is_not_sent_over_again(request_made):
    later = NOON + QUEUED_IS_LOST_AFTER + SECOND
    assert send_now("evidence.verify_item", [request_made.pk], queue=QueueName.SMALL)
    assert requeue_lost_work(now=later) == 0
    current_app.control.purge()
    assert requeue_lost_work(now=later) == 1


def test_work_waits_in_the_queue_of_its_size(django_capture_on_commit_callbacks, db):
    case = make_incident().pk
    with django_capture_on_commit_callbacks() as callbacks:
        receive(case, b"x" * 10, "small.log")
        receive(case, b"y" * LARGE_FROM_BYTES, "large.log")
    queues = [one.keywords["queue"] for one in callbacks]
    assert queues == [QueueName.SMALL, QueueName.LARGE]


def test_packed_work_counts_as_what_it_may_unpack_to(db):
    item = receive(make_incident().pk, gzip.compress(read_vector("plain")))
    assert item.wrapping
    item.size_bytes = LARGE_FROM_BYTES // UNPACKED_FACTOR + 1
    assert queue_of_item(item) is QueueName.LARGE


@pytest.mark.parametrize(
    "fault",
    leave_slow(FAULTS, "hangs"),
)
def test_work_that_the_broker_did_not_take_says_so_and_is_sent_by_the_next_sweep(
    transactional_db, fault
):
    with broker_that(fault):
        item = receive(make_incident().pk, read_vector("plain"))
    made = item.verification_requests.get()
    assert made.state == WorkState.QUEUED
    assert "The queue could not be reached" in made.last_problem
    assert requeue_lost_work() == 1
    made.refresh_from_db()
    assert made.last_problem == ""
    assert count_waiting([QueueName.SMALL]) == {QueueName.SMALL: 1}


def test_lost_exports_are_queued_again_and_finished_work_is_not(
    request_made, responder, django_capture_on_commit_callbacks
):
    run_verification(request_id=request_made.pk)
    export = request_export(
        item_id=request_made.item_id,
        filter={},
        redaction={"redact_name_hash": True},
        actor=responder,
        now=NOON,
    )
    with django_capture_on_commit_callbacks() as callbacks:
        requeue_lost_work(now=NOON + dt.timedelta(days=1))
    assert [callback.args for callback in callbacks] == [
        ("evidence.export_bundle", [export.pk])
    ]


def test_try_that_found_the_store_away_does_not_count(request_made):
    work = start_work(VerificationRequest, request_made.pk)
    assert (work.state, work.attempts) == (WorkState.RUNNING, 1)
    put_back(work, StorageUnavailable("away"))
    work.refresh_from_db()
    assert (work.state, work.attempts) == (WorkState.QUEUED, 0)
    assert work.last_problem == "away."


@pytest.mark.parametrize(
    ("problem", "limit"),
    [
        (StorageUnavailable("the disk is away"), STORE_MAY_BE_AWAY),
        (OperationalError("statement timeout"), DATABASE_MAY_FAIL),
    ],
)
def test_work_waits_only_so_long_for_what_should_pass(request_made, problem, limit):
    work = start_work(VerificationRequest, request_made.pk)
    since = work.started_at
    assert put_back(work, problem, now=since + limit - SECOND)
    work = start_work(VerificationRequest, request_made.pk)
    assert work.started_at == since
    assert not put_back(work, problem, now=since + limit)
    work.refresh_from_db()
    assert (work.state, work.attempts) == (WorkState.RUNNING, 1)


def test_reason_for_giving_up_quotes_no_database_error():
    assert why_given_up(OperationalError("a value")) == (
        "trying again was of no use for 1 h: OperationalError; the worker's log says "
        "more"
    )
    assert "the disk is away" in why_given_up(StorageUnavailable("the disk is away"))


def test_progress_is_noted_sparsely_and_never_on_finished_work(request_made):
    work = start_work(VerificationRequest, request_made.pk)
    note = progress_recorder(work, first=10, last=60)
    note(0.5)
    note(0.9)
    work.refresh_from_db()
    assert work.progress_percent == 35
    run_verification(request_id=work.pk)
    progress_recorder(work, first=0, last=50)(1.0)
    work.refresh_from_db()
    assert (work.state, work.progress_percent) == (WorkState.DONE, 100)


def test_work_that_does_not_exist_is_a_mistake_of_the_caller(db):
    with pytest.raises(ObjectDoesNotExist):
        start_work(ExportRequest, 4711)


def kind_that(run, give_up=None):
    """Return a kind of work that does what a test says."""

    def end(work, why):
        locked = lock_unfinished(work)
        end_work(locked, WorkState.GAVE_UP, now=NOON, failure=f"ended: {why}")
        return locked

    return WorkKind(
        model=VerificationRequest,
        task="evidence.verify_item",
        run=run,
        give_up=give_up or end,
        find_answer=lambda work: work,
        find_queue=lambda work: QueueName.SMALL,
    )


def fail(*args):
    raise ValueError("with a secret in it")


def test_work_that_fails_three_times_gives_up_and_says_why(request_made):
    kind = kind_that(fail)
    for count in (1, 2):
        with pytest.raises(WorkPutBack):
            run_work(kind, request_made.pk)
        request_made.refresh_from_db()
        assert (request_made.state, request_made.attempts) == (WorkState.QUEUED, count)
        assert request_made.last_problem == "ValueError; the worker's log says more"
    ended = run_work(kind, request_made.pk)
    assert ended.state == WorkState.GAVE_UP
    assert "it failed 3 times" in ended.failure
    assert "secret" not in ended.failure
    # A fourth delivery finds it ended, and changes nothing.
    assert run_work(kind, request_made.pk).finished_at == ended.finished_at


def test_work_that_meets_a_full_disk_waits_for_room_and_loses_no_try(request_made):
    """Where a worker spools, and not only in the store, the disk may be full."""

    def fill(work):
        raise OSError(errno.ENOSPC, "No space left on device")

    for _ in range(MAX_ATTEMPTS + 1):
        with pytest.raises(WorkPutBack, match="disk of this server is full"):
            run_work(kind_that(fill), request_made.pk)
    request_made.refresh_from_db()
    assert (request_made.state, request_made.attempts) == (WorkState.QUEUED, 0)
    assert "disk of this server is full" in request_made.last_problem


def test_work_whose_key_finds_no_room_waits_for_room_too(request_made, monkeypatch):
    """The history log's first key is made when it is first needed, on the same disk."""

    def find_no_room(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", find_no_room)
    kind = kind_that(lambda work: grow_log(state_now=True))
    with pytest.raises(WorkPutBack, match="disk of this server is full"):
        run_work(kind, request_made.pk)
    request_made.refresh_from_db()
    assert (request_made.state, request_made.attempts) == (WorkState.QUEUED, 0)


def test_work_that_succeeds_at_its_third_try_is_done(request_made):
    for _ in range(2):
        with pytest.raises(WorkPutBack):
            run_work(kind_that(fail), request_made.pk)
    assert run_verification(request_id=request_made.pk).outcome == "verified"
    request_made.refresh_from_db()
    assert (request_made.state, request_made.failure) == (WorkState.DONE, "")
    assert request_made.last_problem == ""


def test_failures_and_killed_workers_count_together(request_made):
    with pytest.raises(WorkPutBack):
        run_work(kind_that(fail), request_made.pk)
    for _ in range(2):
        start_work(VerificationRequest, request_made.pk)
    ended = run_work(kind_that(fail), request_made.pk)
    assert "3 tries came to nothing, the last with: ValueError" in ended.failure


def test_work_whose_end_cannot_be_written_as_usual_ends_all_the_same(request_made):
    kind = kind_that(fail, give_up=fail)
    for _ in range(2):
        with pytest.raises(WorkPutBack):
            run_work(kind, request_made.pk)
    assert run_work(kind, request_made.pk) is None
    request_made.refresh_from_db()
    assert request_made.state == WorkState.GAVE_UP
    assert "it failed 3 times" in request_made.failure


def test_given_up_work_is_not_queued_again_and_can_be_asked_for_again(
    request_made, responder
):
    for _ in range(3):
        start_work(VerificationRequest, request_made.pk)
    run_verification(request_id=request_made.pk)
    assert requeue_lost_work(now=NOON + dt.timedelta(days=99)) == 0
    again = request_verification(item_id=request_made.item_id, actor=responder)
    assert again != request_made
    assert run_verification(request_id=again.pk).outcome == "verified"


@pytest.mark.parametrize("state", [WorkState.FAILED, WorkState.GAVE_UP])
def test_database_wants_a_reason_of_what_ends_without_result(request_made, state):
    rows = VerificationRequest.objects.filter(pk=request_made.pk)
    with pytest.raises(IntegrityError, match="says_why"):
        rows.update(state=state, finished_at=NOON, failure="")


def test_work_that_needs_too_much_memory_is_given_up_at_once_and_says_why(
    request_made, settings
):
    settings.TASK_MEMORY_MB = 64

    def devour(work):
        return [bytearray(2**20) for _ in range(200)]

    ended = run_work(kind_that(devour), request_made.pk)
    assert ended.state == WorkState.GAVE_UP
    assert "it needed more than 64 MiB of memory" in ended.failure
    # The process is as it was: there is room again.
    assert len(bytearray(100 * 2**20)) == 100 * 2**20


def test_work_that_takes_too_long_is_given_up_at_once_and_says_why(request_made):
    current_app.loader.import_default_modules()

    def take_long(work):
        raise SoftTimeLimitExceeded

    task = current_app.tasks["evidence.verify_item"]
    task.push_request(delivery_info={"routing_key": "evidence.large"})
    _task_stack.push(task)
    try:
        ended = run_work(kind_that(take_long), request_made.pk)
    finally:
        _task_stack.pop()
        task.pop_request()
    assert ended.state == WorkState.GAVE_UP
    assert "it took longer than 600 s" in ended.failure


def test_work_that_holds_up_small_files_goes_on_among_the_large(
    request_made, django_capture_on_commit_callbacks
):
    current_app.loader.import_default_modules()

    def take_long(work):
        raise SoftTimeLimitExceeded

    task = current_app.tasks["evidence.verify_item"]
    task.push_request(delivery_info={"routing_key": "evidence.small"})
    _task_stack.push(task)
    try:
        with django_capture_on_commit_callbacks() as callbacks:
            assert run_work(kind_that(take_long), request_made.pk) is None
    finally:
        _task_stack.pop()
        task.pop_request()
    request_made.refresh_from_db()
    assert (request_made.state, request_made.attempts) == (WorkState.QUEUED, 0)
    assert "waits among the large" in request_made.last_problem
    assert [one.keywords["queue"] for one in callbacks] == [QueueName.LARGE]


def test_waiting_work_says_why_it_waits(request_made):
    assert why_waiting(request_made).startswith("No worker takes from its queue")
    write_heartbeat([QueueName.SMALL])
    assert why_waiting(request_made) == "It is next."
    another = receive(make_incident().pk, b"later").verification_requests.get()
    assert why_waiting(another) == "1 of its kind wait before it."
    start_work(VerificationRequest, request_made.pk)
    request_made.refresh_from_db()
    assert why_waiting(request_made) == ""
