"""What the scheduler asks for costs as many queries for many cases as for few.

Every task of the schedule is held to it, a new one too, once what there is to do is
done. And what somebody holds, or what is far down a list, keeps no other from its turn.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.celery import app
from evidence.accounts.access import Role
from evidence.database.busy import unless_busy
from evidence.database.errors import RecordBusy
from evidence.models import EvidenceItem, EvidenceKind, VerificationRequest
from evidence.queue.names import (
    LARGE_FROM_BYTES,
    UNPACKED_FACTOR,
    QueueName,
    queue_of_item,
)
from evidence.queue.sending import send_now
from evidence.queue.sweeping import (
    QUEUED_IS_LOST_AFTER,
    SWEEP_SIZE,
    find_oldest_waiting,
    requeue_lost_work,
)
from incidents.models import ActionItem, Incident
from incidents.services.findings.gathering import gather_findings
from incidents.services.lifecycle.diagnosis import sweep_diagnoses
from incidents.services.postmortems.action_item_reminders import remind_action_items
from incidents.services.postmortems.action_items import (
    ActionItemFields,
    add_action_item,
)
from incidents.workflow.incident_states import Severity
from incidents.workflow.postmortem import ActionItemType
from policy.services.readings import take_up_evidence
from tests.factories import NOON, make_evidence, make_incident, make_user
from tests.limits import short_limits

pytestmark = pytest.mark.long

TAMPERED = "tampered-removed-entry"
TASKS = sorted({entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()})
WALKS = ("evidence.check_history", "evidence.check_records")
"""Once a night through every entry and every row: these grow with what there is."""


def make_busy_case() -> Incident:
    """Open a case long overdue, with damaged evidence, a source and an action item."""
    lead = make_user()
    case = make_incident(playbook="INC-3", actor=lead, lead=lead)
    make_evidence(case, vector=TAMPERED)
    add_item(case)
    gather_findings(incident_id=case.pk)
    return case


def add_item(case: Incident) -> ActionItem:
    return add_action_item(
        actor=make_user(),
        incident_id=case.pk,
        item=ActionItemFields(
            text="Pin the version",
            item_type=ActionItemType.DETECTIVE,
            owner=make_user(),
            due_on=NOON.date() + dt.timedelta(days=7),
        ),
        now=NOON,
    )


def run(name: str) -> int:
    """Run a task as a worker does; return how many queries it asked."""
    cache.clear()
    with CaptureQueriesContext(connection) as queries:
        app.tasks[name]()
    return len(queries)


@pytest.mark.django_db
def test_no_task_of_the_schedule_asks_more_for_more_cases(
    evidence_folder: Path,
) -> None:
    app.loader.import_default_modules()
    make_user(Role.REVIEWER)
    counts: list[dict[str, int]] = []
    for _ in range(2):
        for _ in range(2):
            make_busy_case()
        for name in (*TASKS, *TASKS):
            run(name)
        counts.append({name: run(name) for name in TASKS if name not in WALKS})
    few, many = counts
    grown = {name: (few[name], many[name]) for name in few if many[name] > few[name]}
    assert grown == {}


@pytest.mark.django_db
def test_reminders_of_action_items_cost_the_same_for_one_as_for_many() -> None:
    counts = []
    for items in (1, 5):
        case = make_incident()
        for _ in range(items):
            add_item(case)
        with CaptureQueriesContext(connection) as queries:
            assert remind_action_items() == items
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.django_db
def test_large_file_is_queued_again_however_many_small_ones_wait_before_it() -> None:
    """The queue of the small ones is as long as it should be: only one was lost."""
    current_app.control.purge()
    case, long_ago = make_incident(), timezone.now() - 2 * QUEUED_IS_LOST_AFTER
    item = make_evidence(case, verified=False)
    small = copy_waiting(item, SWEEP_SIZE + 5, long_ago)
    (large,) = copy_waiting(
        item, 1, long_ago + dt.timedelta(seconds=1), size_bytes=LARGE_FROM_BYTES
    )
    for request in small:
        assert send_now("evidence.verify_item", [request.pk], queue=QueueName.SMALL)
    VerificationRequest.objects.filter(item=item).update(touched_at=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        assert requeue_lost_work() == 1
    assert len(queries) < 40
    large.refresh_from_db()
    assert large.touched_at > long_ago + dt.timedelta(seconds=2)
    assert find_oldest_waiting()[QueueName.LARGE] == large.requested_at
    current_app.control.purge()


SIZES = {
    "just small": (LARGE_FROM_BYTES - 1, ""),
    "just large": (LARGE_FROM_BYTES, ""),
    "packed, just small": (LARGE_FROM_BYTES // UNPACKED_FACTOR, "gzip"),
    "packed, just large": (LARGE_FROM_BYTES // UNPACKED_FACTOR + 1, "gzip"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("name", SIZES)
def test_the_oldest_of_each_queue_is_found_where_it_was_sent(name: str) -> None:
    size_bytes, wrapping = SIZES[name]
    item = make_evidence(make_incident(), verified=False)
    since = NOON - dt.timedelta(hours=1)
    copy_waiting(item, 2, since, size_bytes=10)
    copy_waiting(item, 2, since, size_bytes=LARGE_FROM_BYTES * 2)
    earlier = since - dt.timedelta(hours=1)
    (one,) = copy_waiting(item, 1, earlier, size_bytes=size_bytes, wrapping=wrapping)
    waits = {QueueName.SMALL: since, QueueName.LARGE: since}
    assert find_oldest_waiting() == waits | {queue_of_item(one.item): earlier}


@pytest.mark.django_db
def test_of_all_that_waits_one_piece_is_read() -> None:
    item = make_evidence(make_incident(), verified=False)
    copy_waiting(item, 50, timezone.now())
    read: list[object] = []
    post_init.connect(note := lambda **given: read.append(given), VerificationRequest)
    try:
        find_oldest_waiting()
    finally:
        post_init.disconnect(note, VerificationRequest)
    assert len(read) == 1


def copy_waiting(
    item: EvidenceItem, count: int, since: dt.datetime, **fields: int | str
) -> list[VerificationRequest]:
    """Have copies of an item wait for their verification, as rows."""
    values = {
        field.attname: getattr(item, field.attname)
        for field in EvidenceItem._meta.concrete_fields
        if field.attname not in ("id", "sha256_hex")
    }
    first = EvidenceItem.objects.count()
    items = EvidenceItem.objects.bulk_create(
        EvidenceItem(**values | fields, sha256_hex=f"{first + n:064x}")
        for n in range(count)
    )
    return VerificationRequest.objects.bulk_create(
        VerificationRequest(item=one, requested_at=since, touched_at=since)
        for one in items
    )


@pytest.mark.django_db(transaction=True)
def test_case_that_somebody_holds_keeps_no_other_source_from_its_scan(
    evidence_folder: Path,
) -> None:
    held, free = make_incident(), make_incident()
    for case in (held, free):
        make_evidence(
            case,
            content=b"exec('id');",
            name="ext.js",
            kind=EvidenceKind.EXTENSION_SOURCE,
            verified=False,
        )
    with holding(held):
        assert take_up_evidence() == 1
    assert free.evidence_items.get().scan_requests.exists()
    assert take_up_evidence() == 1


@pytest.mark.django_db(transaction=True)
def test_case_that_somebody_holds_keeps_no_other_from_its_severity(
    evidence_folder: Path,
) -> None:
    cases = [make_incident(playbook="INC-3", severity=Severity.LOW) for _ in range(2)]
    for case in cases:
        make_evidence(case, vector=TAMPERED)
    with holding(cases[0]), short_limits():
        assert sweep_diagnoses() == 1
    cases[1].refresh_from_db()
    assert cases[1].severity == Severity.CRITICAL
    assert sweep_diagnoses() == 1


@contextmanager
def holding(case: Incident) -> Iterator[None]:
    """Have somebody else hold a case's row while the block runs."""
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Incident.objects.select_for_update().get(pk=case.pk)
                is_held.set()
                is_over.wait(60)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert is_held.wait(30)
        yield
    finally:
        is_over.set()
        thread.join()


def test_what_else_goes_wrong_in_a_sweep_is_raised() -> None:
    def act(*, fault: Exception) -> int:
        raise fault

    assert unless_busy(act, fault=RecordBusy("held")) == 0
    assert unless_busy(lambda: 3) == 3
    with pytest.raises(ValueError, match="broken"):
        unless_busy(act, fault=ValueError("broken"))
