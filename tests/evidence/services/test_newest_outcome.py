"""What an item shows of its newest report is what that report found, whoever writes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from evidence.audit.records.checking import find_record_faults
from evidence.models import EvidenceItem, Outcome, VerificationReport
from evidence.services import run_verification
from tests.evidence.helpers import without_triggers
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.django_db


@pytest.fixture
def item() -> EvidenceItem:
    found = make_evidence(make_incident())
    run_verification(request_id=found.verification_requests.get().pk)
    return found


def shown(item: EvidenceItem) -> tuple[Any, ...]:
    columns = ("latest_report_id", "latest_outcome", "latest_checked_at")
    return EvidenceItem.objects.values_list(*columns).get(pk=item.pk)


def write(statement: str, *values: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_an_item_shows_the_newest_of_its_reports(item: EvidenceItem) -> None:
    first = item.reports.get()
    assert shown(item) == (first.pk, first.outcome, first.finished_at)
    request = item.verification_requests.create(
        requested_at=first.finished_at, touched_at=first.finished_at
    )
    run_verification(request_id=request.pk)
    newest = item.reports.first()
    assert newest != first
    assert shown(item) == (newest.pk, newest.outcome, newest.finished_at)


def test_a_report_written_past_the_services_shows_too(item: EvidenceItem) -> None:
    report = item.reports.get()
    request = item.verification_requests.create(
        requested_at=report.finished_at, touched_at=report.finished_at
    )
    report.pk, report.request, report.outcome = None, request, Outcome.DAMAGED
    VerificationReport.objects.bulk_create([report])
    assert shown(item)[1] == Outcome.DAMAGED


@pytest.mark.parametrize(
    "change",
    [
        "latest_outcome = 'failed'",
        "latest_outcome = NULL",
        "latest_report_id = latest_report_id + 1",
        "latest_checked_at = now()",
    ],
)
def test_no_statement_makes_it_show_anything_else(
    item: EvidenceItem, change: str
) -> None:
    with pytest.raises(IntegrityError, match="its newest report does not say so"):
        write(f"UPDATE evidence_evidenceitem SET {change} WHERE id = %s", item.pk)


def test_no_item_arrives_as_verified(item: EvidenceItem) -> None:
    item.pk, item.sha256_hex = None, "0" * 64
    item.latest_outcome = Outcome.VERIFIED
    with pytest.raises(IntegrityError, match="its newest report does not say so"):
        item.save(force_insert=True)


def test_verify_records_finds_what_was_changed_past_the_triggers(
    item: EvidenceItem,
) -> None:
    assert list(find_record_faults()) == []
    without_triggers("UPDATE evidence_evidenceitem SET latest_outcome = 'refused'")
    (fault,) = find_record_faults()
    assert (fault.code, fault.key) == ("outcome_wrong", str(item.pk))
