import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from evidence.models import Channel, EvidenceItem
from tests.evidence.helpers import VECTORS, make_ledger, read_expected, read_vector
from tests.factories import make_incident

UPLOAD = reverse("admin:evidence_evidenceitem_upload")
REFUSED = sorted(
    path.name.removesuffix(".json")
    for path in VECTORS.glob("refused-*.json")
    if not path.name.endswith(".expected.json")
)


def upload(client, incident, *files, as_script=False, **fields):
    data = {"incident": incident.pk, "file": list(files), **fields}
    headers = {"Accept": "application/json"} if as_script else {}
    return client.post(UPLOAD, data, headers=headers)


def said_of(response):
    """Return what a script is told of the only file that it sent."""
    (line,) = response.json()["files"]
    return line


def file_of(data, name="plain.json"):
    return SimpleUploadedFile(name, data)


def test_page_offers_the_incident_it_was_opened_for(client, responder):
    incident = make_incident()
    client.force_login(responder)
    response = client.get(UPLOAD, {"incident": incident.pk})
    assert f'<option value="{incident.pk}" selected>' in response.content.decode()


@pytest.mark.parametrize("as_script", [False, True])
def test_a_form_without_a_file_is_refused_at_its_field(client, responder, as_script):
    incident = make_incident()
    client.force_login(responder)
    accept = {"Accept": "application/json"} if as_script else {}
    form = {"incident": incident.pk, "file": "no file, but text"}
    answer = client.post(UPLOAD, form, headers=accept)
    assert answer.status_code == 400
    assert "This field is required" in answer.content.decode()
    assert not EvidenceItem.objects.exists()


def test_several_files_without_a_script(client, responder):
    incident = make_incident()
    client.force_login(responder)
    response = upload(
        client,
        incident,
        file_of(read_vector("plain")),
        file_of(make_ledger(3), "l.json"),
    )
    assert response.status_code == 302
    case = reverse("admin:incidents_incident_change", args=[incident.pk])
    assert response["Location"] == case
    items = EvidenceItem.objects.filter(incident=incident)
    assert {item.kind for item in items} == {"bundle", "ledger"}
    assert {item.channel for item in items} == {Channel.ADMIN}
    assert {item.received_by for item in items} == {responder}


def test_one_file_by_script(client, responder):
    client.force_login(responder)
    incident = make_incident()
    answer = said_of(upload(client, incident, file_of(b"x", "x.log"), as_script=True))
    item = EvidenceItem.objects.get()
    assert answer["sha256"] == item.sha256_hex
    assert answer["url"] == reverse(
        "admin:evidence_evidenceitem_change", args=[item.pk]
    )
    again = said_of(upload(client, incident, file_of(b"x", "x.log"), as_script=True))
    assert "was there already" in again["message"]
    assert EvidenceItem.objects.count() == 1


@pytest.mark.parametrize("as_script", [True, False])
@pytest.mark.parametrize("name", REFUSED)
def test_unreadable_document_is_refused_in_words(client, responder, name, as_script):
    client.force_login(responder)
    file = file_of(read_vector(name), f"{name}.json")
    response = upload(client, make_incident(), file, as_script=as_script, kind="bundle")
    assert response.status_code == 400
    said = said_of(response)["refused"] if as_script else response.content.decode()
    assert f"{name}.json is not a readable evidence bundle or ledger" in said
    assert "Nothing was stored" in said
    path = read_expected(name)["path"]
    if path:
        assert f"at {path}:" in said
    assert not EvidenceItem.objects.exists()


def test_too_large_file_is_refused_before_it_fills_the_disk(
    client, responder, settings, evidence_folder
):
    settings.EVIDENCE_MAX_BYTES = 100_000
    client.force_login(responder)
    file = file_of(b"x" * 3_000_000, "x.log")
    response = upload(client, make_incident(), file, as_script=True)
    assert response.status_code == 413
    assert "100000 bytes" in response.json()["refused"]
    assert [path for path in evidence_folder.glob("*/**/*") if path.is_file()] == []


def test_upload_needs_the_csrf_token(responder):
    client = Client(enforce_csrf_checks=True)
    client.force_login(responder)
    response = client.post(
        UPLOAD, {"incident": make_incident().pk, "file": io.BytesIO(b"x")}
    )
    assert response.status_code == 403
    assert not EvidenceItem.objects.exists()


def test_missing_file_and_incident_are_named(client, responder):
    client.force_login(responder)
    response = client.post(UPLOAD, {}, headers={"Accept": "application/json"})
    assert response.status_code == 400
    assert "required" in response.json()["refused"]


@pytest.mark.parametrize("person", ["auditor", "administrator", "outsider"])
def test_who_may_not_add_evidence_gets_no_upload(client, request, person):
    client.force_login(request.getfixturevalue(person))
    incident = make_incident()
    assert client.get(UPLOAD).status_code in (302, 403)
    assert upload(client, incident, file_of(b"x", "x.log")).status_code in (302, 403)
    assert not EvidenceItem.objects.exists()


def test_anonymous_visitor_is_sent_to_sign_in(client, db):
    response = upload(client, make_incident(), file_of(b"x", "x.log"))
    assert "/login/" in response["Location"]
    assert not EvidenceItem.objects.exists()
