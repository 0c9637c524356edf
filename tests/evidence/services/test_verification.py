import gzip
import json
import threading

import pytest
from django.db import connection
from django.db.models import F

from evidence import storage
from evidence.errors import PermissionRefused
from evidence.format import read_document, replay_steps, seal_ledger_entries
from evidence.format.pieces import CUT
from evidence.models import (
    AuditEntry,
    CustodyKind,
    Outcome,
    VerificationReport,
    VerificationRequest,
    WorkState,
)
from evidence.queue.claiming import (
    MAX_ATTEMPTS,
    STORE_MAY_BE_AWAY,
    start_work,
)
from evidence.queue.holding import lock_name, session_lock
from evidence.queue.running import WorkPutBack
from evidence.services import request_verification, run_verification
from evidence.services.overview import make_overview
from evidence.services.verification_reports import STEP_COLUMNS, step_row
from tests.evidence.helpers import (
    VECTORS,
    make_ledger,
    make_ledger_entry,
    read_expected,
    read_vector,
    receive,
    reseal,
)
from tests.factories import make_incident

READABLE = sorted(
    path.name.removesuffix(".expected.json")
    for path in VECTORS.glob("*.expected.json")
    if not path.name.startswith(("refused-", "big"))
    and "source" not in json.loads(path.read_bytes())
    and (VECTORS / path.name.replace(".expected", "")).exists()
)


def verify(item):
    """Run the item's pending request as the worker does."""
    return run_verification(request_id=item.verification_requests.latest("id").pk)


def stored_file(folder, item):
    return folder / storage.key_of(item.sha256_hex)


@pytest.mark.parametrize("name", READABLE)
def test_stored_report_is_the_expected_one(db, name):
    report = verify(receive(make_incident().pk, read_vector(name)))
    document = read_expected(name)
    expected = document["report"]
    ledger = expected.get("ledger", expected)
    assert report.document_kind == document["kind"]
    valid = expected.get("valid", ledger["chain_valid"])
    assert report.outcome == (Outcome.VERIFIED if valid else Outcome.FAILED)
    assert report.steps == expected.get("steps", {})
    assert report.break_index == ledger["break_index"]
    assert report.trusted_prefix == ledger["trusted_prefix"]
    assert report.diagnosis == ledger["diagnosis"]
    errors = [
        {
            "index": error.entry_index,
            "sequence": json.loads(error.sequence) if error.sequence else None,
            "code": error.code,
        }
        for error in report.errors.all()
    ]
    assert errors == ledger["verification_errors"]
    assert report.step_count == report.replay_steps.count() == ledger["entry_count"]
    trusted = report.replay_steps.filter(trusted=True).count()
    assert trusted == ledger["trusted_prefix"]


def test_verification_is_recorded_in_custody_and_history(db, responder):
    item = receive(make_incident().pk, read_vector("plain"), actor=responder)
    report = verify(item)
    event = item.custody_events.get(kind=CustodyKind.VERIFIED)
    assert (event.actor, event.channel) == (responder, "worker")
    assert event.detail == f"report {report.pk}: Verified"
    entry = AuditEntry.objects.get(action="evidence.verified")
    assert entry.after["outcome"] == "verified"
    request = report.request
    assert (request.state, request.progress_percent) == (WorkState.DONE, 100)


def test_verify_again_makes_another_report(db, reviewer):
    item = receive(make_incident().pk, read_vector("plain"))
    first = verify(item)
    request = request_verification(item_id=item.pk, actor=reviewer)
    assert request_verification(item_id=item.pk, actor=reviewer) == request
    second = verify(item)
    assert second != first
    assert second.request.requested_by == reviewer
    assert item.reports.count() == 2
    entries = AuditEntry.objects.filter(action="evidence.verification_requested")
    assert [(entry.actor, entry.after) for entry in entries] == [
        (reviewer, {"request": request.pk})
    ] * 2


def test_duplicate_delivery_leaves_one_report(db):
    item = receive(make_incident().pk, read_vector("plain"))
    first = verify(item)
    assert verify(item) == first
    assert VerificationReport.objects.count() == 1
    assert item.custody_events.filter(kind=CustodyKind.VERIFIED).count() == 1


def test_delivery_to_two_workers_at_once_leaves_one_report(transactional_db):
    item = receive(make_incident().pk, make_ledger(3000))
    request_id = item.verification_requests.get().pk
    gate = threading.Barrier(2)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            gate.wait(10)
            run_verification(request_id=request_id)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert VerificationReport.objects.get().step_count == 3000
    assert VerificationRequest.objects.get().attempts == 1


def test_work_that_another_connection_holds_is_left_alone(transactional_db):
    item = receive(make_incident().pk, make_ledger(3))
    request_id = item.verification_requests.get().pk
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with session_lock(lock_name(VerificationRequest, request_id)):
                held.set()
                done.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(10)
    assert run_verification(request_id=request_id) is None
    done.set()
    thread.join(10)
    assert run_verification(request_id=request_id) is not None


def test_document_that_ends_its_workers_becomes_a_report(db):
    item = receive(make_incident().pk, read_vector("plain"))
    request_id = item.verification_requests.get().pk
    for _ in range(MAX_ATTEMPTS):
        # A start without an end: the worker was killed in between.
        start_work(VerificationRequest, request_id)
    report = run_verification(request_id=request_id)
    assert report.outcome == Outcome.UNFINISHED
    assert "3 workers ended" in report.refusal_message
    assert report.request.state == WorkState.GAVE_UP
    assert "3 workers ended" in report.request.failure


def test_changed_and_missing_bytes_are_reported(db, evidence_folder, responder):
    item = receive(make_incident().pk, read_vector("plain"))
    assert verify(item).outcome == Outcome.VERIFIED
    path = stored_file(evidence_folder, item)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"call-101-000001", b"call-101-000009"))
    request_verification(item_id=item.pk, actor=responder)
    damaged = verify(item)
    assert damaged.outcome == Outcome.DAMAGED
    assert damaged.refusal_code == "evidence_damaged"
    path.unlink()
    request_verification(item_id=item.pk, actor=responder)
    assert verify(item).refusal_code == "evidence_missing"


def test_unavailable_store_is_a_wait_and_not_a_report(db, evidence_folder):
    item = receive(make_incident().pk, read_vector("plain"))
    path = stored_file(evidence_folder, item)
    elsewhere = evidence_folder / "elsewhere"
    (evidence_folder / "sha256").rename(elsewhere)
    (evidence_folder / "sha256").write_text("not a folder")
    for _ in range(MAX_ATTEMPTS + 2):
        with pytest.raises(WorkPutBack):
            verify(item)
    request = item.verification_requests.get()
    assert (request.state, request.attempts) == (WorkState.QUEUED, 0)
    assert "does not answer" in request.last_problem
    (evidence_folder / "sha256").unlink()
    elsewhere.rename(evidence_folder / "sha256")
    assert path.exists()
    assert verify(item).outcome == Outcome.VERIFIED


def test_store_that_never_comes_back_ends_as_a_report(db, evidence_folder):
    item = receive(make_incident().pk, read_vector("plain"))
    (evidence_folder / "sha256").rename(evidence_folder / "elsewhere")
    (evidence_folder / "sha256").write_text("not a folder")
    with pytest.raises(WorkPutBack):
        verify(item)
    requests = VerificationRequest.objects.filter(item=item)
    requests.update(started_at=F("started_at") - STORE_MAY_BE_AWAY)
    report = verify(item)
    assert report.outcome == Outcome.UNFINISHED
    assert "of no use for 24 h" in report.refusal_message
    assert "does not answer" in report.refusal_message
    assert requests.get().state == WorkState.GAVE_UP


def test_other_evidence_has_its_digest_checked(db, evidence_folder, responder):
    item = receive(make_incident().pk, b"log line", "runtime.log")
    report = verify(item)
    assert report.outcome == Outcome.DIGEST_ONLY
    assert not report.is_passing
    path = stored_file(evidence_folder, item)
    path.chmod(0o600)
    path.write_bytes(b"log lime")
    request_verification(item_id=item.pk, actor=responder)
    assert verify(item).outcome == Outcome.DAMAGED


def test_large_unreadable_document_ends_as_a_refused_report(db):
    broken = read_vector("refused-section-type") + b" " * (17 * 1024 * 1024)
    item = receive(make_incident().pk, gzip.compress(broken), kind="bundle")
    report = verify(item)
    assert report.outcome == Outcome.REFUSED
    assert report.refusal_path == "$.security_alerts"
    assert report.refusal_message


def test_values_that_no_column_holds_are_stored_safely(db):
    entries = [
        make_ledger_entry(1, extension_id="nul\x00here", triggers=["a\x00b"] * 100),
        make_ledger_entry(2, call_id="x" * 5000, ts_ms=2**62, risk_score=1e300),
        make_ledger_entry(3, sequence=2**100, extension_id="é" * 3000),
        {"anything": "\x00"},
    ]
    ledger = seal_ledger_entries(entries)
    ledger["\x00member"] = "\x00"
    report = verify(receive(make_incident().pk, json.dumps(ledger).encode()))
    assert report.outcome == Outcome.FAILED
    steps = list(report.replay_steps.all())
    assert steps[0].extension_id == "nul\ufffdhere"
    assert len(steps[0].triggers) == 50
    assert len(steps[1].call_id) == 500
    assert steps[2].sequence is None
    assert (steps[3].sequence, steps[3].extension_id) == (None, None)


def test_long_ledger_is_stored_and_drawn_as_if_it_were_read_whole(db):
    ledger = json.loads(make_ledger(1_100))
    ledger["entries"][1_050] |= {"call_id": "changed", "triggers": ["é", "a\x00b"]}
    data = json.dumps(ledger).encode()
    assert len(data) > CUT.long_bytes
    report = verify(receive(make_incident().pk, data))
    assert (report.outcome, report.break_index) == (Outcome.FAILED, 1_050)
    whole = read_document(data)
    assert report.overview == make_overview(whole, whole["entries"], break_index=1_050)
    stored = report.replay_steps.order_by("index").values_list(*STEP_COLUMNS)
    wanted = [
        (report.pk, *step_row(step)) for step in replay_steps(whole["entries"], 1_050)
    ]
    triggers = STEP_COLUMNS.index("triggers")
    found = [
        (*row[:triggers], json.dumps(row[triggers]), *row[triggers + 1 :])
        for row in stored
    ]
    assert found == wanted


def test_bundle_with_hostile_text_everywhere_is_stored_safely(db):
    document = json.loads(read_vector("plain"))
    document["summary"]["note"] = "\x00" * 10
    document["filter"]["extension_id"] = "\x00"
    for alert in document["security_alerts"]:
        alert["category"] = "\x00" + alert["alert_id"]
        alert["severity"] = 10**22
    report = verify(receive(make_incident().pk, reseal(document)))
    assert report.outcome in (Outcome.VERIFIED, Outcome.FAILED)
    assert len(report.overview["alerts"]) == len(document["security_alerts"])
    assert report.overview["filter"]["extension_id"] == "\ufffd"


def test_overview_counts_alerts_and_plots_the_break(db):
    item = receive(make_incident().pk, read_vector("tampered-removed-entry"))
    overview = verify(item).overview
    document = json.loads(read_vector("tampered-removed-entry"))
    total = sum(row["count"] for row in overview["alerts"])
    assert total == len(document["security_alerts"])
    plot = overview["plot"]
    at_break = document["risk_ledger"]["entries"][plot["break_index"]]
    assert plot["break_ts_ms"] == at_break["ts_ms"]
    peak = max(entry["risk_score"] for entry in document["risk_ledger"]["entries"])
    assert max(score for _, _, score in plot["line"]) == peak


@pytest.mark.parametrize("person", ["auditor", "administrator", "machine", "outsider"])
def test_who_may_not_have_evidence_verified_is_refused(db, request, person):
    item = receive(make_incident().pk, b"x", "x.log")
    actor = request.getfixturevalue(person)
    with pytest.raises(PermissionRefused, match="have evidence verified"):
        request_verification(item_id=item.pk, actor=actor)


def test_finished_request_never_changes_again(db):
    item = receive(make_incident().pk, b"x", "x.log")
    request = verify(item).request
    with pytest.raises(Exception, match="Cannot update"):
        VerificationRequest.objects.filter(pk=request.pk).update(state="queued")
