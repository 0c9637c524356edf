import gzip
import hashlib
import io
import threading

import pytest
from django.db import connection

from evidence.errors import (
    DigestMismatch,
    EvidenceError,
    PermissionRefused,
    UnreadableDocument,
    UploadTooLarge,
)
from evidence.models import (
    AuditEntry,
    Channel,
    CustodyEvent,
    CustodyKind,
    EvidenceItem,
    EvidenceKind,
    VerificationRequest,
)
from evidence.services import receive_evidence
from tests.evidence.helpers import (
    VECTORS,
    make_ledger,
    read_expected,
    read_vector,
    receive,
)
from tests.factories import make_incident

REFUSED = sorted(
    path.name.removesuffix(".json")
    for path in VECTORS.glob("refused-*.json")
    if not path.name.endswith(".expected.json")
)


def files_in(folder):
    return [path for path in folder.glob("*/**/*") if path.is_file()]


def test_received_item_says_what_came_from_whom(db, responder):
    incident = make_incident()
    data = read_vector("plain")
    item = receive(
        incident.pk,
        data,
        "C:\\exports\\plain.json",
        actor=responder,
        channel=Channel.API,
        source="ci gate 7",
        ip_address="192.0.2.7",
        declared_sha256=hashlib.sha256(data).hexdigest().upper(),
    )
    assert item.sha256_hex == hashlib.sha256(data).hexdigest()
    assert item.size_bytes == len(data)
    assert item.kind == EvidenceKind.BUNDLE
    assert item.original_name == "plain.json"
    assert item.media_type == "application/json"
    assert (item.source, item.received_by) == ("ci gate 7", responder)
    event = item.custody_events.get()
    assert (event.kind, event.actor_name) == (CustodyKind.RECEIVED, "responder")
    assert (event.channel, event.ip_address) == (Channel.API, "192.0.2.7")
    entry = AuditEntry.objects.get(action="evidence.received")
    assert entry.stream == f"incident:{incident.pk}"
    assert entry.after["sha256_hex"] == item.sha256_hex


def test_verification_is_queued_on_commit(
    db, django_capture_on_commit_callbacks, settings
):
    incident = make_incident()
    with django_capture_on_commit_callbacks() as callbacks:
        item = receive(incident.pk, read_vector("plain"))
    assert len(callbacks) == 1
    request = VerificationRequest.objects.get(item=item)
    assert callbacks[0].args == ("evidence.verify_item", [request.pk])


# Without a member of a bundle or ledger at the top; only who says so is wrong.
NO_DOCUMENT = {"refused-array", "refused-deep", "refused-empty-file"}


@pytest.mark.parametrize("kind", [None, EvidenceKind.BUNDLE, EvidenceKind.LEDGER])
@pytest.mark.parametrize("name", REFUSED)
def test_unreadable_document_is_refused_with_its_path(db, evidence_folder, name, kind):
    incident = make_incident()
    if kind is None and name in NO_DOCUMENT:
        assert receive(incident.pk, read_vector(name), f"{name}.json").kind == "other"
        return
    with pytest.raises(UnreadableDocument, match="Nothing was stored") as caught:
        receive(incident.pk, read_vector(name), f"{name}.json", kind=kind)
    expected = read_expected(name)["path"]
    assert caught.value.path == expected
    assert caught.value.reason_code
    assert f"{name}.json is not a readable evidence bundle" in str(caught.value)
    if expected:
        assert f"at {expected}:" in str(caught.value)
    assert EvidenceItem.objects.count() == 0
    assert files_in(evidence_folder) == []


@pytest.mark.parametrize("kind", [EvidenceKind.LOG, EvidenceKind.OTHER])
def test_unreadable_document_is_kept_as_log_or_other(db, kind):
    item = receive(make_incident().pk, read_vector("refused-truncated"), kind=kind)
    assert item.kind == kind
    assert not item.is_verifiable


@pytest.mark.parametrize(
    ("data", "name", "declared", "kind"),
    [
        (read_vector("plain"), "plain.json", None, "bundle"),
        (read_vector("plain"), "plain.txt", "other", "bundle"),
        (read_vector("ledger-plain"), "any.json", None, "ledger"),
        (read_vector("ledger-plain"), "any.json", "bundle", "ledger"),
        (gzip.compress(read_vector("plain")), "plain.json.gz", None, "bundle"),
        (b'{"extensionPolicy": {}}', "settings.json", None, "policy_snapshot"),
        (b'{"capability_decisions": []}', "x.json", None, "policy_explanation"),
        (b"eval('1')", "index.js", None, "extension_source"),
        (b"PK\x03\x04", "source.zip", None, "extension_source"),
        (b'{"level": "info"}\n{"level": "warn"}', "run.jsonl", None, "log"),
        (b"out of memory", "runtime.log.gz", None, "log"),
        (b"\x89PNG", "screen.png", None, "other"),
        (b"{}", "scan.json", "scan_result", "scan_result"),
        (b"", "empty.log", None, "log"),
    ],
)
def test_kind_is_what_the_content_says_it_is(db, data, name, declared, kind):
    assert receive(make_incident().pk, data, name, kind=declared).kind == kind


def test_large_document_is_left_to_the_worker(db, monkeypatch):
    incident = make_incident()
    # 17 MB of no use to the strict reader: too large to be read at the door.
    padding = b" " * (17 * 1024 * 1024)
    broken = b'{"schema":"pi.security.incident_evidence_bundle.v1"' + padding + b"}"
    assert receive(incident.pk, broken).kind == EvidenceKind.BUNDLE
    assert receive(incident.pk, gzip.compress(broken)).kind == EvidenceKind.BUNDLE
    late = b'{"padding": [' + padding + b'], "schema": "pi.security.runtime_risk_'
    assert receive(incident.pk, late + b'ledger.v1"}', "l").kind == EvidenceKind.LEDGER
    inside = b'{"log": ' + broken + b"}"
    assert receive(incident.pk, inside, "x.json").kind == EvidenceKind.OTHER
    assert receive(incident.pk, padding, "x.bin").kind == EvidenceKind.OTHER
    for sent, why in (
        (broken[:-1], "cut off"),
        (inside, r"at \$: expected the members"),
    ):
        with pytest.raises(UnreadableDocument, match=why):
            receive(incident.pk, sent, kind="bundle")


def test_announced_digest_that_differs_is_refused(db, evidence_folder):
    incident = make_incident()
    with pytest.raises(DigestMismatch, match="hash to"):
        receive(incident.pk, b"x", "x.log", declared_sha256="0" * 64)
    with pytest.raises(EvidenceError, match="64 hexadecimal"):
        receive(incident.pk, b"x", "x.log", declared_sha256="abc")
    assert files_in(evidence_folder) == []


def test_too_large_upload_leaves_nothing(db, evidence_folder, settings):
    settings.EVIDENCE_MAX_BYTES = 100
    with pytest.raises(UploadTooLarge):
        receive(make_incident().pk, b"x" * 101, "x.log")
    assert EvidenceItem.objects.count() == 0
    assert files_in(evidence_folder) == []


def test_same_bytes_for_the_same_case_are_one_item(db, responder):
    incident, other = make_incident(), make_incident()
    data = make_ledger(3)

    def send(case, source="host-a"):
        return receive_evidence(
            incident_id=case.pk,
            stream=io.BytesIO(data),
            original_name=f"{source}.json",
            channel=Channel.ADMIN,
            source=source,
            actor=responder,
        )

    item, created = send(incident)
    again, created_again = send(incident, "host-b")
    elsewhere, created_elsewhere = send(other)
    assert (created, created_again, created_elsewhere) == (True, False, True)
    assert again == item
    assert elsewhere != item
    receipts = item.custody_events.order_by("id")
    assert list(receipts.values_list("original_name", "source", "detail")) == [
        ("host-a.json", "host-a", "Runtime risk ledger"),
        ("host-b.json", "host-b", "the same bytes were sent again"),
    ]
    entry = AuditEntry.objects.get(action="evidence.received_again")
    assert entry.object_id == str(item.pk)
    assert entry.after == {
        "original_name": "host-b.json",
        "source": "host-b",
        "channel": "admin",
    }
    assert AuditEntry.objects.filter(action="evidence.received").count() == 2


def test_two_simultaneous_uploads_of_one_file_make_one_item(
    transactional_db, evidence_folder
):
    incident = make_incident()
    data = make_ledger(20)
    gate = threading.Barrier(2)
    results: list[tuple[int, bool]] = []

    class Together(io.BytesIO):
        """Lets both uploads come to their end at the same moment."""

        def read(self, size=-1):
            chunk = super().read(size)
            if not chunk:
                gate.wait(10)
            return chunk

    def upload() -> None:
        try:
            item, created = receive_evidence(
                incident_id=incident.pk,
                stream=Together(data),
                original_name="same.json",
                channel=Channel.API,
                actor=None,
            )
            results.append((item.pk, created))
        finally:
            connection.close()

    threads = [threading.Thread(target=upload) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    item = EvidenceItem.objects.get()
    assert sorted(results) == [(item.pk, False), (item.pk, True)]
    assert len(files_in(evidence_folder)) == 1
    assert CustodyEvent.objects.filter(item=item).count() == 2
    assert VerificationRequest.objects.filter(item=item).count() == 1


def test_incident_that_does_not_exist_is_refused(db):
    with pytest.raises(EvidenceError, match="no case 4711"):
        receive(4711, b"x", "x.log")


def test_unknown_kind_is_refused(db):
    with pytest.raises(EvidenceError, match="Choose one of these kinds"):
        receive(make_incident().pk, b"x", "x.log", kind="rumour")


def test_control_characters_do_not_reach_the_database(db):
    item = receive(
        make_incident().pk, b"x", "a\x00\nb.log", source="gate\x00 1", media_type="bad"
    )
    assert item.original_name == "a__b.log"
    assert item.source == "gate  1"
    assert item.media_type == "application/octet-stream"


@pytest.mark.parametrize("person", ["auditor", "administrator", "outsider"])
def test_who_may_not_add_evidence_is_refused(db, request, person):
    with pytest.raises(PermissionRefused, match=r"add evidence item"):
        receive(
            make_incident().pk, b"x", "x.log", actor=request.getfixturevalue(person)
        )


@pytest.mark.parametrize("person", ["responder", "reviewer", "machine"])
def test_who_may_add_evidence_can(db, request, person):
    actor = request.getfixturevalue(person)
    assert receive(make_incident().pk, b"x", "x.log", actor=actor).received_by == actor
