import base64
import gzip
import json

import pytest

from evidence import storage
from evidence.errors import EvidenceError, PermissionRefused
from evidence.format import (
    REDACTION_FLAGS,
    IncidentBundleFilter,
    IncidentBundleRedactionPolicy,
    build_bundle,
    read_document,
    serialize_document,
    verify_document,
)
from evidence.handling import Tlp
from evidence.models import (
    AuditEntry,
    CustodyEvent,
    CustodyKind,
    EvidenceItem,
    ExportRequest,
    Outcome,
    WorkState,
)
from evidence.queue.claiming import MAX_ATTEMPTS, start_work
from evidence.services import request_export, run_export, run_verification
from evidence.services.carried_faults import find_carried_faults
from incidents.services.lifecycle.marks import set_mark
from tests.evidence.helpers import VECTORS, read_expected, read_vector, receive
from tests.factories import make_incident

pytestmark = pytest.mark.long

FULL = dict.fromkeys(REDACTION_FLAGS, True)


def export(item, actor, *, filter=None, redaction=None, deep=False):
    request = request_export(
        item_id=item.pk,
        filter=filter or {},
        redaction=FULL if redaction is None else redaction,
        deep=deep,
        actor=actor,
    )
    return run_export(request_id=request.pk)


def receive_source(name="redaction.source", **options):
    return receive(make_incident().pk, read_vector(name), f"{name}.json", **options)


def test_export_is_a_new_item_that_names_its_source(db, responder):
    source = receive_source()
    done = export(source, responder, redaction=FULL)
    assert (done.state, done.failure) == (WorkState.DONE, "")
    result = done.result
    assert result.derived_from == source
    assert result.incident_id == source.incident_id
    assert str(source) in result.source
    assert done.report["steps"] == {
        "bundle_hash": "pass",
        "ledger_chain": "pass",
        "summary_counts": "pass",
        "schema": "pass",
        "redaction": "pass",
    }
    data = storage.read_verified(result.sha256_hex)
    assert b"[REDACTED]" in data
    assert verify_document(data, source=read_vector("redaction.source")).valid
    kinds = list(source.custody_events.values_list("kind", flat=True))
    assert CustodyKind.EXPORTED in kinds
    entry = AuditEntry.objects.get(action="evidence.exported")
    assert entry.after["result"] == result.sha256_hex


def test_export_is_the_bundle_that_the_format_describes(db, responder):
    """The vectors give the hash of what building from this source must make."""
    vector = json.loads(read_vector("redacted-full"))
    request = request_export(
        item_id=receive_source(read_expected("redacted-full")["source"][:-5]).pk,
        filter=vector["filter"],
        redaction=vector["redaction"],
        actor=responder,
    )
    ExportRequest.objects.filter(pk=request.pk).update(
        generated_at_ms=vector["generated_at_ms"]
    )
    done = run_export(request_id=request.pk)
    document = read_document(storage.read_verified(done.result.sha256_hex))
    assert document["bundle_hash"] == vector["bundle_hash"]


def test_export_of_a_gzip_bundle(db, responder):
    packed = gzip.compress(read_vector("redaction.source"))
    source = receive(make_incident().pk, packed, "bundle.json.gz")
    assert export(source, responder).state == WorkState.DONE


def test_filter_narrows_what_is_exported(db, responder):
    done = export(receive_source(), responder, filter={"min_severity": "critical"})
    document = read_document(storage.read_verified(done.result.sha256_hex))
    severities = {alert["severity"] for alert in document["security_alerts"]}
    assert severities <= {"critical"}
    assert document["filter"]["min_severity"] == "critical"


def test_export_that_leaks_is_not_handed_out(db, responder, evidence_folder):
    """The summary spells a variable's name, which redacting its hash cannot hide."""
    source = receive_source("leak.source")
    before = sorted(evidence_folder.rglob("*"))
    done = export(source, responder, redaction=FULL)
    assert done.state == WorkState.FAILED
    assert done.result is None
    assert "redaction" in done.failure
    assert done.report["steps"]["redaction"] == "fail"
    assert EvidenceItem.objects.count() == 1
    assert sorted(evidence_folder.rglob("*")) == before
    assert AuditEntry.objects.filter(action="evidence.export_failed").count() == 1


def test_an_export_carries_over_the_faults_that_its_source_has(db, responder):
    """A broken ledger is what an INC-3 case is about: it has to be shown as it is."""
    source = receive_source("tampered-rehashed-entry")
    done = export(source, responder, redaction=FULL)
    carried = done.report["carried_over"]
    found = read_expected("tampered-rehashed-entry")["report"]["ledger"]
    codes = {(e["sequence"], e["code"]) for e in found["verification_errors"]}

    assert done.state == WorkState.DONE
    assert carried
    assert {(e["sequence"], e["code"]) for e in carried} <= codes
    assert not done.report["valid"]
    custody = CustodyEvent.objects.get(item=source, kind="exported")
    assert f"faults of its source: {len(carried)}" in custody.detail
    entry = AuditEntry.objects.get(action="evidence.exported")
    assert entry.after["carried_faults"] == len(carried)


def test_deep_redaction_takes_out_what_leaks_and_lists_where(db, responder):
    source = receive_source("leak.source")
    done = export(source, responder, redaction=FULL, deep=True)
    assert (done.state, done.failure) == (WorkState.DONE, "")
    assert done.report["valid"]
    assert done.report["leaks"] == []
    rows = done.report["replaced"]
    assert {"raw_value", "name_spelled"} & {row["kind"] for row in rows}
    assert all(row["path"].startswith("$.") and row["count"] for row in rows)
    data = storage.read_verified(done.result.sha256_hex)
    assert verify_document(data, source=read_vector("leak.source")).valid
    assert "_deeply-redacted_TLP-AMBER" in done.result.original_name
    entry = AuditEntry.objects.get(action="evidence.exported")
    assert (entry.after["deep"], entry.after["replaced"]) == (True, rows)


def test_a_leak_that_is_coded_fails_an_export_as_one_that_is_plain_does(db, responder):
    document = json.loads(read_vector("redaction.source"))
    secret = document["secret_broker"][0]["name_hash"]
    coded = base64.b64encode(f"the hash {secret}".encode()).decode()
    document["exec_mediation"][0]["reason"] = f"It said {coded}."
    source = receive(make_incident().pk, json.dumps(document).encode(), "b.json")
    done = export(source, responder)
    place = {"path": "$.exec_mediation[0].reason", "kind": "raw_value"}
    assert (done.state, done.report["leaks"]) == (WorkState.FAILED, [place])
    assert "$.exec_mediation[0].reason (raw_value)" in done.failure
    assert "Deep redaction takes that out" in done.failure
    assert not any(part in done.failure for part in (secret, coded))


def test_a_word_of_the_format_that_leaks_is_never_handed_out(db, responder):
    """Taking it out would break an entry; leaving it would give the value away."""
    document = json.loads(read_vector("redaction.source"))
    document["security_alerts"][0]["remediation"] = "deny"
    source = receive(make_incident().pk, json.dumps(document).encode(), "b.json")
    done = export(source, responder, deep=True)
    assert (done.state, done.result) == (WorkState.FAILED, None)


def test_deep_redaction_of_nothing_is_refused(db, reviewer):
    with pytest.raises(EvidenceError, match="Choose what is to be redacted") as refused:
        export(receive_source(), reviewer, redaction={}, deep=True)
    assert refused.value.code == "nothing_redacted"


# An export's ledger has members of its own: the source's wrong ones are only said.
MADE_ANEW = {"entry_count_mismatch", "head_hash_mismatch", "tail_hash_mismatch"}
BROKEN = sorted(
    path.name.removesuffix(".json")
    for path in VECTORS.glob("*.json")
    if not path.name.endswith((".expected.json", ".source.json"))
    and (found := read_expected(path.stem)).get("kind") == "bundle"
    and found["report"]["ledger"]["verification_errors"]
)


# Redacting deeply takes as long again: one does for all.
DEEPLY = [(name, True) for name in BROKEN]


@pytest.mark.parametrize(
    ("name", "deep"),
    [
        *((name, False) for name in BROKEN),
        *DEEPLY[:1],
        *(pytest.param(*one, marks=pytest.mark.slow) for one in DEEPLY[1:]),
    ],
)
def test_every_bundle_whose_ledger_is_broken_is_exported_and_says_so(
    db, responder, name, deep
):
    """Redacting keeps an entry's own hash from being recomputed: that is said, too."""
    source = receive_source(name)
    done = export(source, responder, redaction=FULL, deep=deep)
    found = read_expected(name)["report"]

    assert (done.state, done.failure) == (WorkState.DONE, "")
    theirs = faults_of(found["ledger"]["verification_errors"])
    kept = {fault for fault in theirs if fault[1] not in MADE_ANEW}
    assert faults_of(done.report["carried_over"]) == kept
    fails = [step for step, status in found["steps"].items() if status == "fail"]
    assert [row["step"] for row in done.report["source_fails"]] == fails
    assert faults_of(done.report["ledger"]["verification_errors"]) <= theirs


def faults_of(errors):
    return {(error["sequence"], error["code"]) for error in errors}


@pytest.mark.parametrize(
    "change",
    [
        lambda made, report: report["ledger"]["verification_errors"].append(
            {"sequence": 1, "code": "x"}
        ),
        lambda made, report: report["steps"].update(redaction="fail"),
        lambda made, report: made["summary"].update(blocked_count=4711),
        lambda made, report: made["risk_replay"].update(step_count=4711),
    ],
    ids=["ledger", "redaction", "summary", "replay"],
)
def test_an_export_shows_no_fault_that_its_source_does_not_have(change):
    document = read_document(read_vector("corrupt-one-entry"))
    source = read_expected("corrupt-one-entry")["report"]
    options = {"filter": IncidentBundleFilter(), "generated_at_ms": 0}
    made, plain = (
        build_bundle(document, redaction=policy, **options)
        for policy in (
            IncidentBundleRedactionPolicy.full(),
            IncidentBundleRedactionPolicy.none(),
        )
    )
    report = verify_document(serialize_document(made)).as_dict()["report"]
    known = {"document": made, "plain": plain}
    assert find_carried_faults(report, source, **known) is not None
    change(made, report)
    assert find_carried_faults(report, source, **known) is None


def test_changed_source_bytes_are_not_exported(db, responder, evidence_folder):
    source = receive_source()
    path = evidence_folder / storage.key_of(source.sha256_hex)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes() + b" ")
    done = export(source, responder)
    assert done.state == WorkState.FAILED
    assert "changed in the store" in done.failure


def test_exported_item_is_verified_with_its_source_at_hand(db, responder):
    done = export(receive_source(), responder, redaction=FULL)
    request = done.result.verification_requests.get()
    report = run_verification(request_id=request.pk)
    assert report.outcome == Outcome.VERIFIED
    assert report.steps["redaction"] == "pass"


def test_second_delivery_makes_no_second_export(db, responder):
    done = export(receive_source(), responder)
    assert run_export(request_id=done.pk) == done
    assert EvidenceItem.objects.count() == 2


def test_export_that_ends_its_workers_fails(db, responder):
    request = request_export(
        item_id=receive_source().pk, filter={}, redaction=FULL, actor=responder
    )
    for _ in range(MAX_ATTEMPTS):
        start_work(ExportRequest, request.pk)
    done = run_export(request_id=request.pk)
    assert done.state == WorkState.GAVE_UP
    assert "3 workers ended" in done.failure


@pytest.mark.parametrize(
    ("filter", "redaction", "message"),
    [
        ({"colour": "red"}, {}, "no such limit"),
        ({"min_severity": "loud"}, {}, "min_severity"),
        ({"extension_id": "a\x00"}, {}, "NUL"),
        ({}, {"redact_everything": True}, "redact_everything"),
        ({}, {"redact_name_hash": "yes"}, "true or false"),
    ],
)
def test_choices_the_format_does_not_know_are_refused(
    db, responder, filter, redaction, message
):
    item = receive_source()
    with pytest.raises(EvidenceError, match=message):
        request_export(
            item_id=item.pk, filter=filter, redaction=redaction, actor=responder
        )
    assert not ExportRequest.objects.exists()


def test_only_bundles_are_exported(db, responder):
    item = receive_source("ledger-plain")
    with pytest.raises(EvidenceError, match="Only a bundle"):
        request_export(item_id=item.pk, filter={}, redaction={}, actor=responder)


@pytest.mark.parametrize("person", ["auditor", "administrator", "machine", "outsider"])
def test_who_may_not_export_is_refused(db, request, person):
    item = receive_source()
    actor = request.getfixturevalue(person)
    with pytest.raises(PermissionRefused, match="export evidence"):
        request_export(item_id=item.pk, filter={}, redaction={}, actor=actor)


@pytest.mark.parametrize("role", ["responder", "auditor", "administrator", "machine"])
def test_only_with_the_right_is_a_copy_made_with_nothing_redacted(db, request, role):
    item, actor = receive_source(), request.getfixturevalue(role)
    with pytest.raises(PermissionRefused):
        request_export(item_id=item.pk, filter={}, redaction={}, actor=actor)
    nothing = dict.fromkeys(REDACTION_FLAGS, False)
    with pytest.raises(PermissionRefused):
        request_export(item_id=item.pk, filter={}, redaction=nothing, actor=actor)
    assert not ExportRequest.objects.exists()


def test_a_reviewer_has_copies_made_with_nothing_redacted(db, reviewer):
    done = export(receive_source(), reviewer, redaction={})
    assert done.state == WorkState.DONE
    assert "_unredacted_TLP-AMBER" in done.result.original_name


def test_an_export_says_and_inherits_the_mark_of_its_source(db, responder):
    source = receive_source()
    set_mark(
        actor=responder, incident_id=source.incident_id, tlp="red", item_id=source.pk
    )
    done = export(source, responder)
    assert "_redacted_TLP-RED" in done.result.original_name
    assert done.result.own_tlp == done.tlp == Tlp.RED


def test_the_same_bytes_made_again_from_a_stricter_source_are_stricter(db, responder):
    source = receive_source()
    first = export(source, responder)
    set_mark(
        actor=responder, incident_id=source.incident_id, tlp="red", item_id=source.pk
    )
    again = request_export(
        item_id=source.pk, filter={}, redaction=FULL, actor=responder
    )
    ExportRequest.objects.filter(pk=again.pk).update(
        generated_at_ms=first.generated_at_ms
    )
    done = run_export(request_id=again.pk)
    assert done.result == first.result
    assert EvidenceItem.objects.get(pk=first.result_id).tlp is Tlp.RED
