"""Source scans: one report for a request, whatever is in the source."""

import io
import zipfile

import pytest
from celery import current_app
from django.contrib.auth.models import User

from evidence import storage
from evidence.models import EvidenceItem, EvidenceKind, WorkState
from evidence.queue.sweeping import requeue_lost_work
from incidents.findings import Answer, answer_all
from incidents.models import Incident
from incidents.services.findings.reading import load_case
from policy.errors import PolicyRefused
from policy.models import ScanClassification, ScanReport, ScanRequest
from policy.scanner.report_entries import Classification
from policy.services.case_records import newest_scan
from policy.services.readings import take_up_evidence
from policy.services.scans import request_scan, run_scan
from tests.factories import make_evidence, make_incident

EVASIVE = b"const p = 'child_' + 'process';\nrequire(p).exec('id');\neval('1');\n"


def source(incident: Incident, content: bytes, name: str = "index.js") -> EvidenceItem:
    return make_evidence(
        incident,
        content=content,
        name=name,
        kind=EvidenceKind.EXTENSION_SOURCE,
        verified=False,
    )


def scan(item: EvidenceItem, actor: User) -> ScanReport:
    request = request_scan(item_id=item.pk, actor=actor)
    report = run_scan(request_id=request.pk)
    assert report is not None
    return report


def find_answers(incident: Incident) -> dict[str, Answer]:
    answers = answer_all(load_case(incident)[0].read()[0], ["INC-4"])
    return {answer.question.key: answer for answer in answers}


def test_the_words_are_the_scanners_own() -> None:
    assert ScanClassification.values == [
        classification.value for classification in Classification
    ]


def test_a_scan_says_what_the_line_scanner_missed_and_in_what_form(
    incident: Incident, responder: User
) -> None:
    report = scan(source(incident, EVASIVE), responder)
    assert report.classification == "forbidden"
    missed = report.entries.filter(is_missed_by_line_scanner=True)
    entry = missed.get(rule="forbidden-module")
    assert entry.line == 2
    assert entry.form
    assert entry.suggested_pattern
    assert entry.regression_test_idea
    assert report.missed_count == missed.count()


def test_a_scan_keeps_the_worst_first_with_its_place_and_its_way(
    incident: Incident, responder: User
) -> None:
    report = scan(source(incident, b"import(name);\n" + EVASIVE), responder)
    entries = list(report.entries.order_by("position"))
    ranks = [Classification(entry.classification).rank for entry in entries]
    assert ranks == sorted(ranks, reverse=True)
    entry = report.entries.get(rule="forbidden-module", line=3)
    assert entry.context["marked"] == "require(p)"
    assert entry.context["after"].startswith(".exec('id')")
    (step,) = entry.steps
    assert (step["line"], step["how"]) == (2, "set")
    assert step["excerpt"] == "const p = 'child_' + 'process';"


def test_a_scan_keeps_regression_tests_that_its_own_limits_were_spent_on(
    incident: Incident, responder: User
) -> None:
    report = scan(source(incident, EVASIVE), responder)
    tests = report.details["regression_tests"]
    assert any(test["source"].endswith("require(p);\n") for test in tests)


def test_the_case_findings_read_the_stored_scan(
    incident: Incident, responder: User
) -> None:
    item = source(incident, EVASIVE)
    assert newest_scan(item) is None
    assert load_case(incident)[0].read()[0].source is None
    scan(item, responder)
    pure = newest_scan(item)
    assert pure is not None
    assert pure.classification is Classification.FORBIDDEN
    assert [(miss.entry.line, miss.entry.rule) for miss in pure.misses] == [
        (2, "forbidden-module")
    ]
    found = find_answers(incident)["missed-by-line-scanner"]
    assert found.verdict == "found"
    assert "index.js line 2" in found.sentence


def test_a_refused_source_leaves_the_answers_unknown(
    incident: Incident, responder: User
) -> None:
    item = source(incident, b"PK\x03\x04 no archive", "ext.zip")
    scan(item, responder)
    pure = newest_scan(item)
    assert pure is not None
    assert pure.refused is not None
    found = find_answers(incident)["forbidden-uses"]
    assert found.verdict == "unknown"
    assert "could not be scanned" in found.sentence


def test_a_zip_is_scanned_file_by_file(incident: Incident, responder: User) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.js", "require('vm')")
        archive.writestr("lib/b.ts", "export const x: number = 1;")
    report = scan(source(incident, packed.getvalue(), "ext.zip"), responder)
    assert report.file_count == 2
    assert {file["path"] for file in report.details["files"]} == {"a.js", "lib/b.ts"}


def test_a_hostile_archive_is_refused_by_name_and_is_not_safe(
    incident: Incident, responder: User
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("../../etc/cron.d/x", "boom")
    report = scan(source(incident, packed.getvalue(), "ext.zip"), responder)
    assert report.classification != "safe"
    assert "../../etc/cron.d/x" in report.refusal


def test_running_twice_leaves_one_report(incident: Incident, responder: User) -> None:
    request = request_scan(item_id=source(incident, EVASIVE).pk, actor=responder)
    first = run_scan(request_id=request.pk)
    assert run_scan(request_id=request.pk) == first
    assert ScanReport.objects.count() == 1


def test_asking_while_one_waits_is_the_same_wish(
    incident: Incident, responder: User
) -> None:
    item = source(incident, EVASIVE)
    first = request_scan(item_id=item.pk, actor=responder)
    assert request_scan(item_id=item.pk, actor=responder) == first


def test_only_source_is_scanned(incident: Incident, responder: User) -> None:
    item = make_evidence(incident, verified=False)
    with pytest.raises(PolicyRefused, match="Only extension source"):
        request_scan(item_id=item.pk, actor=responder)


def test_a_source_that_ends_workers_ends_as_a_report(
    incident: Incident, responder: User
) -> None:
    request = request_scan(item_id=source(incident, EVASIVE).pk, actor=responder)
    ScanRequest.objects.filter(pk=request.pk).update(attempts=3)
    report = run_scan(request_id=request.pk)
    assert report is not None
    assert report.refusal_code == "scan_unfinished"
    assert report.classification == "flagged"
    request.refresh_from_db()
    assert request.state == WorkState.GAVE_UP


def test_missing_bytes_are_a_report(incident: Incident, responder: User) -> None:
    item = source(incident, EVASIVE)
    request = request_scan(item_id=item.pk, actor=responder)
    path = storage.open_stored(item.sha256_hex).name
    import pathlib

    pathlib.Path(path).unlink()
    report = run_scan(request_id=request.pk)
    assert report is not None
    assert report.refusal_code == "evidence_missing"


def test_what_came_in_by_another_door_is_scanned_too(incident: Incident) -> None:
    item = source(incident, EVASIVE)
    assert take_up_evidence() == 1
    assert take_up_evidence() == 0
    request = item.scan_requests.get()
    assert request.requested_by is None
    assert run_scan(request_id=request.pk) is not None


def test_a_lost_scan_is_queued_again(
    incident: Incident, responder: User, django_capture_on_commit_callbacks
) -> None:
    request = request_scan(item_id=source(incident, EVASIVE).pk, actor=responder)
    long_ago = request.touched_at.replace(year=2020)
    ScanRequest.objects.update(touched_at=long_ago)
    current_app.control.purge()  # The messages of other tests' work.
    with django_capture_on_commit_callbacks() as callbacks:
        requeue_lost_work()
    assert ("policy.scan_source", [request.pk]) in [
        getattr(callback, "args", None) for callback in callbacks
    ]


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"\xed\xa0\x80 = 1"])
def test_bytes_that_are_no_text_are_a_report(
    incident: Incident, responder: User, content: bytes
) -> None:
    assert scan(source(incident, content, "x.js"), responder).pk


def test_a_bundle_sent_as_source_is_a_bundle_and_is_not_scanned(responder):
    item = make_evidence(
        make_incident(), kind=EvidenceKind.EXTENSION_SOURCE, actor=responder
    )
    assert item.kind == EvidenceKind.BUNDLE
    with pytest.raises(PolicyRefused, match="Only extension source is scanned"):
        request_scan(item_id=item.pk, actor=responder)
    assert not ScanReport.objects.exists()
