"""Evidence through the API: streamed, hashed, compared, once, and all or nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.wsgi import get_wsgi_application
from django.test import RequestFactory, override_settings
from rest_framework.test import APIClient

from evidence.accounts.tokens import create_token
from evidence.api.evidence import WholeStream
from evidence.errors import UploadBroken
from evidence.models import AuditEntry, CustodyEvent, EvidenceItem
from incidents.models import Incident
from tests.api.conftest import make_client
from tests.factories import make_incident

pytestmark = pytest.mark.django_db
URL = "/api/v1/evidence/"
VECTORS = Path(__file__).parents[1] / "data" / "vectors"
REFUSED = sorted(path.name for path in VECTORS.glob("refused-*.json"))
REFUSED = [name for name in REFUSED if not name.endswith(".expected.json")]
BUNDLE = (VECTORS / "plain.json").read_bytes()
OCTETS = "application/octet-stream"


@pytest.fixture
def case(db: None) -> Incident:
    return make_incident()


def send(
    client: APIClient,
    case: Incident,
    data: bytes = BUNDLE,
    *,
    method: str = "put",
    name: str = "plain.json",
    query: str = "",
    **headers: str,
) -> Any:
    address = f"{URL}{name if method == 'put' else ''}"
    return getattr(client, method)(
        f"{address}?incident={case.reference}{query}",
        data=data,
        content_type=OCTETS,
        headers=headers,
    )


def stored_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*/**/*") if path.is_file()]


def test_raw_body_becomes_an_item(uploader: APIClient, case: Incident) -> None:
    response = send(uploader, case)
    body = response.json()
    item = EvidenceItem.objects.get()
    assert response.status_code == 201
    assert response["Location"] == f"{URL}{item.pk}/"
    assert body["sha256_hex"] == hashlib.sha256(BUNDLE).hexdigest()
    assert (body["incident"], body["kind"]) == (case.reference, "bundle")
    assert (item.original_name, item.channel) == ("plain.json", "api")
    assert item.received_by.username == "machine"
    assert CustodyEvent.objects.get().kind == "received"
    assert AuditEntry.objects.filter(action="evidence.received").exists()


@pytest.mark.parametrize(
    ("method", "name", "query"),
    [("put", "a.log", ""), ("put", "", "&name=a.log"), ("post", "", "&name=a.log")],
)
def test_each_way_of_sending_a_raw_body_names_the_file(
    uploader: APIClient, case: Incident, method: str, name: str, query: str
) -> None:
    response = send(uploader, case, b"a line", method=method, name=name, query=query)
    assert (response.status_code, response.json()["kind"]) == (201, "log")
    assert response.json()["original_name"] == "a.log"


def test_case_is_named_by_header_too(uploader: APIClient, case: Incident) -> None:
    response = uploader.put(
        f"{URL}plain.json",
        data=BUNDLE,
        content_type=OCTETS,
        headers={"X-Casefile-Incident": case.reference},
    )
    assert response.status_code == 201


def test_form_becomes_an_item(uploader: APIClient, case: Incident) -> None:
    file = SimpleUploadedFile("bundle.json", BUNDLE, "application/json")
    fields = {
        "file": file,
        "incident": case.reference,
        "kind": "bundle",
        "source": "host-1",
        "sha256": hashlib.sha256(BUNDLE).hexdigest(),
    }
    response = uploader.post(URL, fields, format="multipart")
    assert response.status_code == 201
    assert response.json()["source"] == "host-1"
    assert response.json()["media_type"] == "application/json"


def test_same_bytes_again_are_the_item_that_exists(
    uploader: APIClient, case: Incident
) -> None:
    first, again = send(uploader, case), send(uploader, case)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert EvidenceItem.objects.count() == 1


def digests(data: bytes) -> dict[str, str]:
    digest = hashlib.sha256(data).digest()
    encoded = base64.b64encode(digest).decode()
    return {
        "X-Content-SHA256": digest.hex(),
        "Repr-Digest": f"sha-512=:{encoded}:, sha-256=:{encoded}:",
        "Content-Digest": f"sha-256=:{encoded}:",
    }


@pytest.mark.parametrize(
    "header", ["X-Content-SHA256", "Repr-Digest", "Content-Digest"]
)
def test_announced_digest_is_compared(
    uploader: APIClient, case: Incident, header: str, evidence_folder: Path
) -> None:
    wrong = send(uploader, case, **{header: digests(b"other")[header]})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "digest_mismatch")
    assert not stored_files(evidence_folder)
    assert send(uploader, case, **{header: digests(BUNDLE)[header]}).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Content-SHA256": "abc"},
        {"Repr-Digest": "sha-256=abc"},
        {"Repr-Digest": "sha-512=:AAAA:"},
        {"Content-Digest": "sha-256=:AAAA:"},
        {"Content-Digest": "sha-256=:!:"},
        {**digests(BUNDLE), "X-Content-SHA256": "0" * 64},
    ],
)
def test_digest_that_cannot_be_compared_is_refused(
    uploader: APIClient, case: Incident, headers: dict[str, str]
) -> None:
    response = send(uploader, case, **headers)
    assert (response.status_code, response.json()["code"]) == (400, "malformed_digest")
    assert not EvidenceItem.objects.exists()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_document_is_told_with_its_path(
    uploader: APIClient, case: Incident, name: str, evidence_folder: Path
) -> None:
    data = (VECTORS / name).read_bytes()
    expected = json.loads(
        (VECTORS / name.replace(".json", ".expected.json")).read_text()
    )
    response = send(uploader, case, data, name=name, query="&kind=bundle")
    body = response.json()
    assert response.status_code == 422
    assert body["code"] == "document_refused"
    assert body.get("path") == expected["path"]
    assert "Nothing was stored" in body["detail"]
    assert not stored_files(evidence_folder)
    assert not EvidenceItem.objects.exists()


@override_settings(EVIDENCE_MAX_BYTES=1000)
@pytest.mark.parametrize("size", [1001, 1001 + 64 * 1024])
def test_file_that_is_too_large_is_refused(
    uploader: APIClient, case: Incident, size: int, evidence_folder: Path
) -> None:
    response = send(uploader, case, b"x" * size, name="a.log")
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert not stored_files(evidence_folder)


def send_cut_off(machine: User, address: str, method: str, **environ: Any) -> Any:
    """Send a body that ends before its Content-Length, as a server hands it on."""
    _, secret = create_token(
        user=machine, name="x", scopes=["evidence:write"], days=1, actor=None
    )
    request = RequestFactory().generic(method, address)
    data: bytes = environ.pop("data")
    answer: dict[str, Any] = {}
    body = get_wsgi_application()(
        {
            **request.environ,
            **environ,
            "CONTENT_LENGTH": str(len(data) + 100),
            "HTTP_AUTHORIZATION": f"Bearer {secret}",
            "wsgi.input": io.BytesIO(data),
        },
        lambda status, headers: answer.update(status=status, headers=dict(headers)),
    )
    return answer["status"], json.loads(b"".join(body))


@pytest.mark.usefixtures("same_connection")
def test_body_that_was_cut_off_leaves_nothing(
    machine: User, case: Incident, evidence_folder: Path
) -> None:
    address = f"{URL}plain.json?incident={case.reference}"
    status, body = send_cut_off(
        machine, address, "PUT", data=BUNDLE, CONTENT_TYPE=OCTETS
    )
    assert (status, body["code"]) == ("400 Bad Request", "upload_broken")
    assert not stored_files(evidence_folder)


@pytest.mark.usefixtures("same_connection")
def test_form_that_was_cut_off_leaves_nothing(
    machine: User, case: Incident, evidence_folder: Path
) -> None:
    form = (
        b'--x\r\nContent-Disposition: form-data; name="incident"\r\n\r\n'
        + case.reference.encode()
        + b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.log"'
        b"\r\n\r\nfirst half"
    )
    content_type = "multipart/form-data; boundary=x"
    status, body = send_cut_off(
        machine, URL, "POST", data=form, CONTENT_TYPE=content_type
    )
    assert (status, body["code"]) == ("400 Bad Request", "upload_broken")
    assert not stored_files(evidence_folder)


def test_whole_stream_ends_at_its_length_and_not_before() -> None:
    assert WholeStream(io.BytesIO(b"abcdef"), size_bytes=4).read(100) == b"abcd"
    stream = WholeStream(io.BytesIO(b"ab"), size_bytes=3)
    assert stream.read(5) == b"ab"
    with pytest.raises(UploadBroken, match="1 bytes before"):
        stream.read(5)


@pytest.mark.parametrize("reference", ["SEC-INC-2026-9999", "x", "", "a" * 300])
def test_case_that_does_not_exist_is_named_as_missing(
    uploader: APIClient, case: Incident, reference: str
) -> None:
    url = f"{URL}a.log?incident={reference}"
    response = uploader.put(url, data=b"x", content_type=OCTETS)
    assert response.status_code == (404 if reference else 400)
    assert response["Content-Type"] == "application/problem+json"


def test_unknown_kind_is_refused(uploader: APIClient, case: Incident) -> None:
    response = send(uploader, case, query="&kind=secret")
    assert (response.status_code, response.json()["code"]) == (400, "unknown_kind")


def test_coded_content_is_not_taken(uploader: APIClient, case: Incident) -> None:
    response = send(uploader, case, **{"Content-Encoding": "gzip"})
    assert response.status_code == 415


@pytest.mark.parametrize(
    ("role", "scopes", "status"),
    [
        ("machine", ["evidence:write"], 201),
        ("responder", ["evidence:write"], 201),
        ("reviewer", ["evidence:write"], 201),
        ("auditor", ["evidence:write"], 403),
        ("administrator", ["evidence:write"], 403),
        ("outsider", ["evidence:write"], 404),
        ("machine", ["read", "alerts:write"], 403),
        ("responder", ["read", "cases:write"], 403),
    ],
)
def test_only_those_who_add_evidence_with_the_scope_do(
    case: Incident,
    role: str,
    scopes: list[str],
    status: int,
    request: pytest.FixtureRequest,
) -> None:
    client = make_client(request.getfixturevalue(role), *scopes)
    assert send(client, case).status_code == status
    assert EvidenceItem.objects.exists() == (status == 201)


def test_uploader_cannot_read_what_it_sent(uploader: APIClient, case: Incident) -> None:
    location = send(uploader, case)["Location"]
    assert uploader.get(location).status_code == 403


def test_session_uploads_nothing(responder: User, case: Incident) -> None:
    client = APIClient()
    client.force_login(responder)
    assert send(client, case).status_code == 403


def change_kind(client: APIClient, item: EvidenceItem, **body: str) -> Any:
    return client.post(f"{URL}{item.pk}/kind/", body, format="json")


def test_a_kind_is_changed_with_a_reason(case: Incident, responder: User) -> None:
    client = make_client(responder, "evidence:write", "read")
    send(client, case, b"eval(1)", name="a.log")
    item = EvidenceItem.objects.get()
    answer = change_kind(client, item, kind="extension_source", reason="it is source")
    assert (answer.status_code, answer.json()["kind"]) == (200, "extension_source")
    event = item.custody_events.get(kind="reclassified")
    assert (event.channel, event.actor_name) == ("api", "responder")


def test_a_kind_that_cannot_be_is_refused(case: Incident, responder: User) -> None:
    client = make_client(responder, "evidence:write")
    send(client, case, b"text", name="a.log")
    item = EvidenceItem.objects.get()
    answer = change_kind(client, item, kind="bundle", reason="x")
    assert (answer.status_code, answer.json()["code"]) == (422, "document_refused")
    assert change_kind(client, item, kind="rumour", reason="x").status_code == 400
    assert change_kind(client, item, kind="other").status_code == 400
    assert not item.kind_changes.exists()


def test_a_machine_changes_no_kind(case: Incident, uploader: APIClient) -> None:
    send(uploader, case, b"text", name="a.log")
    answer = change_kind(uploader, EvidenceItem.objects.get(), kind="other", reason="x")
    assert answer.status_code == 403


@pytest.mark.parametrize("name", ["data:,x", "data:a/b", "a:b", "%E2%80%AE.log"])
def test_a_name_of_any_kind_is_taken(
    case: Incident, uploader: APIClient, name: str
) -> None:
    answer = send(uploader, case, name.encode(), method="post", query=f"&name={name}")
    assert answer.status_code == 201
    assert answer.json()["media_type"] == OCTETS


def test_what_is_a_bundle_is_one_whatever_is_said(
    case: Incident, uploader: APIClient
) -> None:
    body = send(uploader, case, query="&kind=extension_source").json()
    assert (body["kind"], body["content"]) == ("bundle", "Incident evidence bundle")
