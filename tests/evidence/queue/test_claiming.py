import datetime as dt

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import OperationalError

from evidence.errors import StorageUnavailable
from evidence.models import ExportRequest, VerificationRequest, WorkState
from evidence.queue.claiming import (
    DATABASE_MAY_FAIL,
    QUEUED_IS_LOST_AFTER,
    RUNNING_IS_LOST_AFTER,
    STORE_MAY_BE_AWAY,
    progress_recorder,
    put_back,
    requeue_lost_work,
    start_work,
    why_given_up,
)
from evidence.services import request_export, run_verification
from tests.evidence.helpers import read_vector, receive
from tests.factories import NOON, make_incident

SECOND = dt.timedelta(seconds=1)


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


def test_lost_exports_are_queued_again_and_finished_work_is_not(
    request_made, responder, django_capture_on_commit_callbacks
):
    run_verification(request_id=request_made.pk)
    export = request_export(
        item_id=request_made.item_id,
        filter={},
        redaction={},
        actor=responder,
        now=NOON,
    )
    with django_capture_on_commit_callbacks() as callbacks:
        requeue_lost_work(now=NOON + dt.timedelta(days=1))
    assert [callback.args for callback in callbacks] == [
        ("evidence.export_bundle", [export.pk])
    ]


def test_start_that_came_back_does_not_count(request_made):
    work = start_work(VerificationRequest, request_made.pk)
    assert (work.state, work.attempts) == (WorkState.RUNNING, 1)
    put_back(work, OSError("away"))
    work.refresh_from_db()
    assert (work.state, work.attempts) == (WorkState.QUEUED, 0)
    assert work.last_problem == "away"


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
        "trying again was of no use for 1 h: OperationalError"
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
