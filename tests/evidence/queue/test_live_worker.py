"""Verification and export by a real worker on a real broker, killed and restarted."""

import datetime as dt
import json

import pytest
from celery import current_app
from django.utils import timezone

from evidence.format import seal_ledger_entries
from evidence.models import (
    AuditEntry,
    CustodyKind,
    ExportRequest,
    Outcome,
    ReplayStep,
    VerificationReport,
    VerificationRequest,
    WorkState,
)
from evidence.queue.sweeping import (
    QUEUED_IS_LOST_AFTER,
    RUNNING_IS_LOST_AFTER,
    requeue_lost_work,
)
from evidence.services import request_export, request_verification
from tests.evidence.helpers import make_ledger_entry, read_vector, receive
from tests.factories import make_incident

pytestmark = [pytest.mark.live, pytest.mark.django_db(transaction=True)]


def make_long_ledger(count=60_000) -> bytes:
    """Return a ledger that takes a worker long enough to be killed over."""
    entries = [make_ledger_entry(number) for number in range(1, count + 1)]
    return json.dumps(seal_ledger_entries(entries)).encode()


def state_of(request):
    return VerificationRequest.objects.get(pk=request.pk).state


def test_received_bundle_is_verified_by_the_worker(live_worker):
    item = receive(make_incident().pk, read_vector("plain"))
    live_worker.wait_for(lambda: item.reports.exists())
    assert item.reports.get().outcome == Outcome.VERIFIED


def test_worker_killed_in_mid_verification_leaves_exactly_one_report(live_worker):
    item = receive(make_incident().pk, make_long_ledger())
    request = item.verification_requests.get()
    live_worker.wait_for(lambda: state_of(request) == WorkState.RUNNING)
    live_worker.kill()
    assert not VerificationReport.objects.exists()
    assert not ReplayStep.objects.exists()
    assert state_of(request) == WorkState.RUNNING

    live_worker.start()
    later = timezone.now() + RUNNING_IS_LOST_AFTER + dt.timedelta(seconds=1)
    assert requeue_lost_work(now=later) == 1
    # Delivered a second time as well, as a broker may: it must not count.
    request_verification(item_id=item.pk, actor=None)
    live_worker.wait_for(lambda: state_of(request) == WorkState.DONE, seconds=60)
    live_worker.stop()

    report = VerificationReport.objects.get()
    assert report.request == request
    assert report.outcome == Outcome.VERIFIED
    assert report.replay_steps.count() == 60_000
    assert VerificationRequest.objects.get().attempts == 2
    assert item.custody_events.filter(kind=CustodyKind.VERIFIED).count() == 1
    assert AuditEntry.objects.filter(action="evidence.verified").count() == 1


def test_file_over_which_workers_die_ends_as_a_report(live_worker):
    item = receive(make_incident().pk, make_long_ledger(30_000))
    request = item.verification_requests.get()
    # As if three workers had been killed over it before this one.
    live_worker.wait_for(lambda: state_of(request) != WorkState.QUEUED)
    live_worker.kill()
    VerificationRequest.objects.filter(pk=request.pk).update(attempts=3)
    live_worker.start()
    later = timezone.now() + RUNNING_IS_LOST_AFTER + dt.timedelta(seconds=1)
    requeue_lost_work(now=later)
    live_worker.wait_for(lambda: item.reports.exists())
    report = item.reports.get()
    assert report.outcome == Outcome.UNFINISHED
    assert "3 workers ended" in report.refusal_message


def test_export_is_made_by_the_worker_and_verified_in_turn(live_worker):
    item = receive(make_incident().pk, read_vector("redaction.source"))
    request = request_export(
        item_id=item.pk, filter={}, redaction={"redact_name_hash": True}, actor=None
    )
    live_worker.wait_for(
        lambda: not ExportRequest.objects.get(pk=request.pk).is_pending
    )
    result = ExportRequest.objects.get(pk=request.pk).result
    assert result is not None
    live_worker.wait_for(lambda: result.reports.exists())
    assert result.reports.get().outcome == Outcome.VERIFIED


def test_queue_that_was_emptied_is_filled_again_by_the_sweep(live_worker):
    live_worker.stop()
    items = [receive(make_incident().pk, b"%d" % number) for number in range(5)]
    current_app.control.purge()
    earlier = timezone.now() - QUEUED_IS_LOST_AFTER - dt.timedelta(seconds=1)
    VerificationRequest.objects.update(touched_at=earlier)
    live_worker.start()
    current_app.send_task("evidence.requeue_lost_work")
    live_worker.wait_for(lambda: VerificationReport.objects.count() == len(items))
    assert not VerificationRequest.objects.filter(attempts__gt=1).exists()
