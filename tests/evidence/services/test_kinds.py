"""Evidence is taken for what its structure says; a kind is changed with a reason."""

import gzip
import io
import json
import tarfile
import zipfile

import pytest
from django.db import IntegrityError, transaction

from evidence.errors import EvidenceError, PermissionRefused, UnreadableDocument
from evidence.models import (
    AuditEntry,
    Channel,
    CustodyKind,
    EvidenceItem,
    EvidenceKind,
    Outcome,
    VerificationRequest,
)
from evidence.services import change_kind, run_verification
from tests.evidence.helpers import read_vector, receive, without_triggers
from tests.factories import make_incident

pytestmark = pytest.mark.django_db
BUNDLE, LEDGER = read_vector("plain"), read_vector("ledger-plain")
TEXT = BUNDLE.decode()
SCHEMA = "pi.security.incident_evidence_bundle.v1"


def zip_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return buffer.getvalue()


def tar_of(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def as_json(**members: object) -> bytes:
    return json.dumps(members).encode()


WRAPPED = {
    "plain": (BUNDLE, ""),
    "byte order mark": (b"\xef\xbb\xbf" + BUNDLE, "byte order mark"),
    "UTF-16 LE": (TEXT.encode("utf-16"), "UTF-16"),
    "UTF-16 BE": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "UTF-16"),
    "UTF-16 unmarked": (TEXT.encode("utf-16-le"), "UTF-16"),
    "UTF-16 BE unmarked": (TEXT.encode("utf-16-be"), "UTF-16"),
    "UTF-32": (TEXT.encode("utf-32"), "UTF-32"),
    "shell": (("\ufeff" + TEXT + "\r\n").encode("utf-16-le"), "UTF-16"),
    "gzip": (gzip.compress(BUNDLE), "gzip"),
    "gzip in gzip": (gzip.compress(gzip.compress(BUNDLE)), "gzip, gzip"),
    "gzip of UTF-16": (gzip.compress(TEXT.encode("utf-16")), "gzip, UTF-16"),
    "zip": (zip_of(b_json=BUNDLE), "zip"),
    "zip of gzip": (zip_of(b_gz=gzip.compress(BUNDLE)), "zip, gzip"),
    "white space": (b"\n \t" + BUNDLE + b"\n", ""),
}
MANY = "Zip archive, not of one file"
DECLARED = [None, *EvidenceKind]


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        *(("plain", declared) for declared in DECLARED),
        ("gzip", EvidenceKind.OTHER),
        ("UTF-16 LE", EvidenceKind.OTHER),
    ],
)
def test_a_bundle_is_one_whatever_was_said(name, declared):
    data, wrapping = WRAPPED[name]
    item = receive(make_incident().pk, data, "upload.bin", kind=declared)
    assert (item.kind, item.wrapping) == (EvidenceKind.BUNDLE, wrapping)


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_bundle_is_verified_as_it_was_sent(name):
    data, wrapping = WRAPPED[name]
    item = receive(make_incident().pk, data, "export.dat")
    assert (item.kind, item.wrapping) == (EvidenceKind.BUNDLE, wrapping)
    assert item.size_bytes == len(data)
    assert wrapping in item.custody_events.get().detail
    report = run_verification(request_id=item.verification_requests.get().pk)
    assert report.outcome == Outcome.VERIFIED


@pytest.mark.parametrize(
    ("data", "name", "kind", "content"),
    [
        (as_json(version="2.1.0", runs=[]), "a.json", "scan_result", "SARIF"),
        (as_json(version="2.1.0", runs=[]), "a.sarif", "scan_result", "SARIF"),
        (as_json(bomFormat="CycloneDX"), "bom.json", "other", "CycloneDX"),
        (as_json(type="bundle", objects=[]), "bundle.json", "other", "STIX bundle"),
        (
            as_json(kind="Event", apiVersion="audit.k8s.io/v1"),
            "audit.json",
            "log",
            "Kubernetes audit",
        ),
        (
            as_json(__REALTIME_TIMESTAMP="1", MESSAGE=SCHEMA) * 2,
            "journal.json",
            "log",
            "JSON lines: Journal entry",
        ),
        (b'{"a": 1}\n{"a": 2}\n', "events.json", "log", "JSON lines"),
        (BUNDLE + b"\n" + BUNDLE, "two.json", "log", "JSON lines"),
        (as_json(a=1), "a.json", "other", "JSON object"),
        (as_json(message=f"saw {SCHEMA}"), "a.json", "other", "JSON object"),
        (as_json(log={"schema": SCHEMA}), "a.json", "other", "JSON object"),
        (as_json(entries=[]), "feed.json", "other", "JSON object"),
        (b"[1, 2]", "list.json", "other", "JSON array"),
        (f"12:00 wrote {SCHEMA}\n".encode(), "run.log", "log", ""),
        (f"12:00 wrote {SCHEMA}\n".encode(), "run.json", "other", ""),
        (f"12:00 wrote {SCHEMA}\n".encode(), "evidence-bundle.log", "log", ""),
        (b"{broken", "a.json", "other", "Looks like JSON, and is cut off or damaged"),
        (zip_of(a_js=b"1", b_js=b"2"), "s.zip", "extension_source", None),
        (b"BZh91AY", "a.bin", "other", "bzip2"),
        (zip_of(a_json=BUNDLE, b_txt=b"2"), "a.bin", "other", MANY),
        (gzip.compress(zip_of(a_json=BUNDLE, b_txt=b"2")), "a.bin", "other", MANY),
        (tar_of(a_json=BUNDLE), "a.bin", "other", "Tar archive"),
        (gzip.compress(tar_of(a_json=BUNDLE)), "a.bin", "other", "Tar archive"),
        (gzip.compress(b"12:00 it ran\n"), "a.bin", "other", "Text or binary"),
        (b"\x28\xb5\x2f\xfd..", "a.zst", "other", "zstd"),
        (b"", "empty.json", "other", ""),
    ],
)
def test_everything_else_is_stored_as_what_it_is(data, name, kind, content):
    item = receive(make_incident().pk, data, name)
    assert item.kind == kind
    assert content is None or item.content == content


@pytest.mark.parametrize(
    ("data", "name", "declared", "path"),
    [
        (as_json(version="2.1.0", runs=[]), "a.json", "bundle", "$.schema"),
        (as_json(a=1), "incident_evidence_bundle.json", None, "$.schema"),
        (as_json(a=1), "Evidence-Bundle 7.json.gz", None, "$.schema"),
        (b"no json", "risk_ledger.json", None, None),
        (b"no json", "x.json", "ledger", None),
        (as_json(schema=SCHEMA), "x.json", None, "$.bundle_hash"),
        (BUNDLE[:-50], "x.json", None, None),
        (TEXT[:-50].encode("utf-16"), "x.json", None, None),
        (gzip.compress(BUNDLE)[:-30], "x.json.gz", None, None),
        (BUNDLE + b"\nand more", "x.json", None, None),
    ],
)
def test_what_is_said_to_be_a_document_and_is_not_is_refused(
    data, name, declared, path
):
    with pytest.raises(UnreadableDocument, match="Nothing was stored") as caught:
        receive(make_incident().pk, data, name, kind=declared)
    if path:
        assert caught.value.path is not None
        assert caught.value.path in str(caught.value)
    assert not EvidenceItem.objects.exists()


def test_sending_the_same_bytes_again_heals_a_wrong_kind(responder):
    incident = make_incident()
    item = receive(incident.pk, BUNDLE)
    run_verification(request_id=item.verification_requests.get().pk)
    without_triggers(
        "UPDATE evidence_evidenceitem SET kind = 'extension_source' WHERE id = %s",
        item.pk,
    )
    again = receive(incident.pk, BUNDLE, actor=responder, kind="extension_source")
    assert (again.pk, again.kind) == (item.pk, "bundle")
    assert EvidenceItem.objects.get(pk=item.pk).kind == "bundle"
    change = item.kind_changes.get()
    assert (change.from_kind, change.changed_by) == ("extension_source", responder)
    assert VerificationRequest.objects.filter(item=item, state="queued").exists()


def change(item, kind, **options):
    values = {"reason": "it was sent by a slip", "actor": None, **options}
    return change_kind(item_id=item.pk, kind=kind, channel=Channel.ADMIN, **values)


def test_a_kind_is_changed_with_a_reason_and_recorded(responder):
    item = receive(make_incident().pk, b"eval(1)", "a.log")
    change(item, "extension_source", actor=responder)
    item.refresh_from_db()
    assert item.kind == "extension_source"
    event = item.custody_events.get(kind=CustodyKind.RECLASSIFIED)
    assert event.detail == "Log → Extension source: it was sent by a slip"
    entry = AuditEntry.objects.get(action="evidence.kind_changed")
    assert (entry.before, entry.after) == (
        {"kind": "log"},
        {"kind": "extension_source"},
    )
    assert entry.reason == "it was sent by a slip"


def test_what_becomes_a_bundle_is_unverified_until_it_is_verified(responder):
    item = receive(make_incident().pk, BUNDLE)
    without_triggers(
        "UPDATE evidence_evidenceitem SET kind = 'log' WHERE id = %s", item.pk
    )
    run_verification(request_id=item.verification_requests.get().pk)
    assert item.reports.get().outcome == Outcome.DIGEST_ONLY
    change(item, "bundle", actor=responder)
    assert item in EvidenceItem.objects.unverified()
    shown = EvidenceItem.objects.get(pk=item.pk)
    assert shown.latest_outcome is None
    run_verification(request_id=item.verification_requests.latest("id").pk)
    assert item not in EvidenceItem.objects.unverified()


@pytest.mark.parametrize(
    ("data", "kind", "reason", "code"),
    [
        (BUNDLE, "log", "x", "kind_by_structure"),
        (LEDGER, "bundle", "x", "kind_by_structure"),
        (b"text", "bundle", "x", "document_refused"),
        (b"text", "other", "", "reason_missing"),
        (b"text", "other", "x" * 3000, "reason_too_long"),
        (b"text", "rumour", "x", "unknown_kind"),
        (b"text", "log", "x", "kind_unchanged"),
    ],
)
def test_a_change_that_cannot_be_is_refused(data, kind, reason, code):
    item = receive(make_incident().pk, data, "a.log")
    with pytest.raises(EvidenceError) as caught:
        change(item, kind, reason=reason)
    assert caught.value.code == code
    assert not item.kind_changes.exists()


@pytest.mark.parametrize("person", ["auditor", "administrator", "machine", "outsider"])
def test_who_may_not_change_a_kind_is_refused(request, person):
    item = receive(make_incident().pk, b"text", "a.log")
    with pytest.raises(PermissionRefused):
        change(item, "other", actor=request.getfixturevalue(person))


def test_the_database_refuses_a_kind_that_no_change_says():
    item = receive(make_incident().pk, b"text", "a.log")
    with (
        pytest.raises(IntegrityError, match="no recorded change"),
        transaction.atomic(),
    ):
        EvidenceItem.objects.filter(pk=item.pk).update(kind="other")
