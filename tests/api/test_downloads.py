"""Evidence is downloaded by those who may, and the chain of custody says so."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from evidence import storage
from evidence.models import AuditEntry, CustodyKind, EvidenceItem, TokenScope
from tests.api.conftest import make_client
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.django_db
SCOPES = (TokenScope.READ, TokenScope.EVIDENCE_DOWNLOAD)


@pytest.fixture
def item(evidence_folder: Path) -> EvidenceItem:
    return make_evidence(make_incident())


def content_of(item: EvidenceItem) -> str:
    return f"/api/v1/evidence/{item.pk}/content/"


def downloads(item: EvidenceItem) -> int:
    return item.custody_events.filter(kind=CustodyKind.DOWNLOADED).count()


@pytest.mark.parametrize("accept", ["*/*", "application/octet-stream"])
@pytest.mark.parametrize("role", ["responder", "reviewer", "auditor"])
def test_bytes_come_as_they_were_received_and_custody_names_the_taker(
    item: EvidenceItem, role: str, accept: str, request: pytest.FixtureRequest
) -> None:
    person = request.getfixturevalue(role)
    client = make_client(person, *SCOPES)
    response = client.get(content_of(item), HTTP_ACCEPT=accept, REMOTE_ADDR="192.0.2.9")
    assert response.status_code == 200
    data = b"".join(response.streaming_content)
    digest = hashlib.sha256(data)
    assert digest.hexdigest() == item.sha256_hex
    encoded = base64.b64encode(digest.digest()).decode()
    assert response["Repr-Digest"] == f"sha-256=:{encoded}:"
    assert response["Content-Length"] == str(len(data))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Cache-Control"] == "no-store"
    event = item.custody_events.get(kind=CustodyKind.DOWNLOADED)
    found = (event.actor, event.channel, event.ip_address)
    assert found == (person, "api", "192.0.2.9")
    assert AuditEntry.objects.filter(action="evidence.downloaded").count() == 1


def test_reading_alone_downloads_nothing(item: EvidenceItem, auditor: User) -> None:
    for scopes in ([TokenScope.READ], [TokenScope.EVIDENCE_DOWNLOAD]):
        response = make_client(auditor, *scopes).get(content_of(item))
        assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert downloads(item) == 0


@pytest.mark.parametrize("role", ["administrator", "machine", "outsider"])
def test_who_may_not_download_gets_nothing(
    item: EvidenceItem, role: str, request: pytest.FixtureRequest
) -> None:
    client = make_client(request.getfixturevalue(role), *SCOPES)
    response = client.get(content_of(item), HTTP_ACCEPT="application/octet-stream")
    assert (response.status_code, response.json()["code"]) == (
        403,
        "permission_refused",
    )
    assert response["Content-Type"] == "application/problem+json"
    assert downloads(item) == 0


def test_nobody_downloads_without_signing_in(item: EvidenceItem) -> None:
    assert Client().get(content_of(item)).status_code == 401


def test_asking_for_the_head_takes_nothing(item: EvidenceItem, auditor: User) -> None:
    response = make_client(auditor, *SCOPES).head(content_of(item))
    assert response.status_code == 200
    assert response["Content-Length"] == str(item.size_bytes)
    assert downloads(item) == 0


def test_an_item_that_is_not_there_is_missing(auditor: User, db: None) -> None:
    response = make_client(auditor, *SCOPES).get("/api/v1/evidence/999/content/")
    assert response.status_code == 404


def test_damaged_bytes_are_not_handed_out(
    item: EvidenceItem, auditor: User, evidence_folder: Path
) -> None:
    path = evidence_folder / storage.key_of(item.sha256_hex)
    path.chmod(0o600)
    path.write_bytes(b"x" * item.size_bytes)
    response = make_client(auditor, *SCOPES).get(content_of(item))
    assert (response.status_code, response.json()["code"]) == (500, "evidence_damaged")
    assert downloads(item) == 0
    refused = AuditEntry.objects.get(action="evidence.download_refused")
    assert refused.after == {"channel": "api", "code": "evidence_damaged"}
