"""Evidence on its pages: kinds, names, receipts, states, exports, ways back."""

import gzip
import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from evidence.format import IncidentBundleFilter, IncidentBundleRedactionPolicy
from evidence.models import CustodyKind, EvidenceItem, ExportRequest, WorkState
from evidence.services import receipt
from evidence.services.exports import export_name
from incidents.models import Incident
from tests.evidence.helpers import read_vector, receive
from tests.factories import make_evidence, make_incident

pytestmark = [pytest.mark.django_db, pytest.mark.long]
UPLOAD = reverse("admin:evidence_evidenceitem_upload")
LIST = reverse("admin:evidence_evidenceitem_changelist")
BUNDLE = read_vector("plain")


def page_of(item, view=""):
    url = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    return f"{url}?view={view}" if view else url


def tab_of(incident):
    url = reverse("admin:incidents_incident_change", args=[incident.pk])
    return f"{url}?tab=evidence"


def text_of(client, url):
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


# --- Names ---------------------------------------------------------------------------

SPOOFED = "inv\u202egpj.exe"


def test_hidden_characters_of_a_name_are_shown_everywhere(client, responder):
    incident = make_incident(title="A title\u202ewith a turn")
    item = receive(incident.pk, b"MZ", SPOOFED, source="host\u200bname")
    client.force_login(responder)
    for url in (LIST, page_of(item), page_of(item, "custody"), tab_of(incident)):
        html = text_of(client, url)
        assert "inv⟨U+202E⟩gpj.exe" in html, url
        assert "\u202e" not in html, url
        assert "\u200b" not in html, url
    answer = client.get(reverse("admin:evidence_evidenceitem_download", args=[item.pk]))
    assert "%E2%80%AE" not in answer["Content-Disposition"]


@pytest.mark.parametrize(
    "name",
    [
        "data:,x",
        "data:text/html;base64,PGI+",
        f"data:{'x' * 200}/y,z",
        "javascript:alert(1).js",
        "file:///etc/passwd",
        "C:\\temp\\x.log",
        "../../etc/passwd",
        "..",
        ".",
        "",
        ".hidden.json",
        "a\x00b\r\nc.log",
        "x" * 5000 + ".json",
        'q"uo;te\\.txt',
        "un\udcffsound.log",
        "\u202e\u200b",
    ],
)
def test_a_name_of_any_kind_is_received_shown_and_downloaded(client, responder, name):
    item = receive(make_incident().pk, name.encode("utf-8", "replace"), name)
    assert receipt.MEDIA_TYPE.match(item.media_type)
    assert item.original_name
    assert "/" not in item.original_name
    client.force_login(responder)
    text_of(client, page_of(item))
    url = reverse("admin:evidence_evidenceitem_download", args=[item.pk])
    answer = client.get(url)
    assert answer.status_code == 200
    assert "attachment" in answer["Content-Disposition"]


def test_a_media_type_is_guessed_by_the_name(db):
    incident = make_incident()
    assert receive(incident.pk, b"{}", "a.json").media_type == "application/json"
    assert receive(incident.pk, b"1", "data:a.json").media_type == "application/json"


# --- Receipts and kinds --------------------------------------------------------------


def test_a_second_name_and_source_are_shown(client, responder):
    incident = make_incident()
    item = receive(incident.pk, b"", "a.log", source="host-a")
    receive(incident.pk, b"", "b\u200b.log", source="host-b", actor=responder)
    client.force_login(responder)
    head = text_of(client, page_of(item))
    assert "Also received as" in head
    assert "b⟨U+200B⟩.log, from host-b" in head
    custody = text_of(client, page_of(item, "custody"))
    assert "a.log" in custody
    assert "host-a" in custody
    assert "host-b" in custody


def test_what_was_unwrapped_is_said(client, responder):
    item = receive(make_incident().pk, gzip.compress(BUNDLE), "b.json.gz")
    client.force_login(responder)
    assert "read through: gzip" in " ".join(text_of(client, page_of(item)).split())
    assert "read through: gzip" in text_of(client, page_of(item, "custody"))


def test_a_kind_is_changed_on_the_page(client, responder):
    item = receive(make_incident().pk, b"eval(1)", "a.log")
    client.force_login(responder)
    url = reverse("admin:evidence_evidenceitem_kind", args=[item.pk])
    client.post(url, {"kind": "extension_source", "reason": "it is source"})
    assert EvidenceItem.objects.get(pk=item.pk).kind == "extension_source"
    event = item.custody_events.get(kind=CustodyKind.RECLASSIFIED)
    assert event.actor_name == "responder"


def test_a_refused_change_of_kind_comes_back_filled(client, responder):
    item = receive(make_incident().pk, b"text", "a.log")
    client.force_login(responder)
    url = reverse("admin:evidence_evidenceitem_kind", args=[item.pk])
    answer = client.post(url, {"kind": "bundle", "reason": "I think so"})
    html = answer.content.decode()
    assert answer.status_code == 400
    assert "not a readable evidence bundle or ledger" in html
    assert 'value="I think so"' in html
    answer = client.post(url, {"kind": "other", "reason": ""})
    assert "required" in answer.content.decode()
    assert EvidenceItem.objects.get(pk=item.pk).kind == "log"


def test_who_only_reads_changes_no_kind(client, auditor):
    item = receive(make_incident().pk, b"text", "a.log")
    client.force_login(auditor)
    assert "Change kind" not in text_of(client, page_of(item))
    url = reverse("admin:evidence_evidenceitem_kind", args=[item.pk])
    assert client.post(url, {"kind": "other", "reason": "x"}).status_code == 403


# --- States --------------------------------------------------------------------------


def test_a_digest_that_matches_is_neutral_everywhere(client, responder):
    incident = make_incident()
    make_evidence(incident, name="a.log", content=b"a line")
    item = EvidenceItem.objects.get()
    client.force_login(responder)
    for url in (LIST, page_of(item)):
        html = text_of(client, url)
        assert "Digest only" in html
        assert 'cf-badge" data-tone="done"' not in html
    tab = text_of(client, tab_of(incident))
    assert f'id="evidence-{item.pk}" data-tone="quiet"' in tab
    assert "Digest only" in tab


def test_a_verified_bundle_has_one_word_everywhere(client, responder):
    incident = make_incident()
    item = make_evidence(incident)
    client.force_login(responder)
    for url in (LIST, page_of(item), tab_of(incident)):
        html = text_of(client, url)
        assert "Verified" in html
        assert "Valid" not in html


def test_head_and_body_of_the_page_come_from_one_reading(client, responder):
    item = make_evidence(make_incident(), verified=False)
    client.force_login(responder)
    response = client.get(page_of(item))
    assert (response.context["newest"], response.context["report"]) == (None, None)
    item = make_evidence(item.incident, vector="filtered-time")
    response = client.get(page_of(item))
    assert response.context["newest"] == response.context["report"]
    assert response.context["reports"][0] == response.context["report"]


def test_the_evidence_tab_watches_what_is_being_verified(client, responder):
    incident = make_incident()
    item = make_evidence(incident, verified=False)
    client.force_login(responder)
    status = reverse("admin:evidence_evidenceitem_case_status", args=[incident.pk])
    assert f'data-work-status="{status}"' in text_of(client, tab_of(incident))
    assert len(client.get(status).json()["pending"]) == 1
    make_evidence(incident)  # the same bytes: verifies the request that waits
    assert client.get(status).json() == {"pending": []}
    assert "data-work-status" not in text_of(client, tab_of(incident))
    assert item.reports.exists()


# --- Ways back -----------------------------------------------------------------------


def test_after_an_upload_there_is_a_way_back_to_the_case(client, responder):
    incident = make_incident()
    client.force_login(responder)
    case = reverse("admin:incidents_incident_change", args=[incident.pk])
    assert tab_of(incident) in text_of(client, f"{UPLOAD}?incident={incident.pk}")
    file = SimpleUploadedFile("a.log", b"x")
    data = {"incident": incident.pk, "file": file}
    answer = client.post(UPLOAD, data, follow=True)
    assert f'"{case}"' in answer.content.decode()
    file.seek(0)
    answer = client.post(UPLOAD, data, headers={"Accept": "application/json"})
    assert answer.json()["case_url"] == case


def test_after_a_refused_upload_there_is_a_way_back_to_the_case(client, responder):
    incident = make_incident()
    client.force_login(responder)
    file = SimpleUploadedFile("a.json", BUNDLE[:-20])
    answer = client.post(UPLOAD, {"incident": incident.pk, "file": file})
    assert answer.status_code == 400
    assert tab_of(incident) in answer.content.decode()


def test_a_zip_of_one_bundle_is_received_as_one(client, responder):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export/bundle.json", BUNDLE)
    client.force_login(responder)
    file = SimpleUploadedFile("bundle.zip", packed.getvalue())
    data = {"incident": make_incident().pk, "file": file}
    html = client.post(UPLOAD, data, follow=True).content.decode()
    assert "read through zip" in html


def test_the_page_of_a_zip_of_several_files_says_how_to_go_on(client, responder):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("export/bundle.json", BUNDLE)
        archive.writestr("export/notes.txt", "seen at noon")
    item = receive(make_incident().pk, packed.getvalue(), "export.zip")
    client.force_login(responder)
    html = client.get(page_of(item)).content.decode()
    assert "Zip archive, not of one file" in html
    assert "No bundle or ledger inside is verified: unpack it" in html


# --- Exports -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter", "flags", "name"),
    [
        ({}, "full", "case_redacted_TLP-AMBER.json"),
        ({}, "none", "case_unredacted_TLP-AMBER.json"),
        ({}, "some", "case_partly-redacted_TLP-AMBER.json"),
        (
            {"extension_id": "ext/\u202ea", "start_ms": 0, "min_severity": "error"},
            "full",
            "case_ext-U-202E-a_from-19700101T000000Z_error-and-up_redacted"
            "_TLP-AMBER.json",
        ),
    ],
)
def test_an_export_is_named_after_what_it_holds(filter, flags, name):
    policy = IncidentBundleRedactionPolicy.from_dict({})
    members = policy.as_dict()
    chosen = {
        "full": dict.fromkeys(members, True),
        "none": dict.fromkeys(members, False),
        "some": {**dict.fromkeys(members, False), next(iter(members)): True},
    }[flags]
    made = export_name(
        ExportRequest(source=EvidenceItem(incident=Incident()), redaction=chosen),
        source_name="case.json.gz",
        filter=IncidentBundleFilter.from_dict(filter).as_dict(),
    )
    assert made == name


def test_a_refused_export_says_where_it_leaks(client, responder):
    item = make_evidence(make_incident())
    ExportRequest.objects.create(
        source=item,
        generated_at_ms=0,
        state=WorkState.FAILED,
        requested_at=item.received_at,
        touched_at=item.received_at,
        finished_at=item.received_at,
        failure="it leaks. What leaks, and where: $.a[0].b (value).",
        report={"leaks": [{"path": "$.a[0].b", "kind": "value"}]},
    )
    client.force_login(responder)
    assert "$.a[0].b (value)" in text_of(client, page_of(item, "exports"))
    row = client.get("/api/v1/exports/").json()["results"][0]
    assert row["leaks"] == [{"path": "$.a[0].b", "kind": "value"}]


def test_an_export_that_came_to_nothing_is_asked_for_again(client, responder):
    item = make_evidence(make_incident())
    failed = ExportRequest.objects.create(
        source=item,
        redaction={"redact_name_hash": True},
        generated_at_ms=0,
        state=WorkState.GAVE_UP,
        requested_at=item.received_at,
        touched_at=item.received_at,
        finished_at=item.received_at,
        failure="The export could not be made: 3 workers ended.",
    )
    client.force_login(responder)
    assert "Ask again" in text_of(client, page_of(item, "exports"))
    again = reverse(
        "admin:evidence_evidenceitem_export_again", args=[item.pk, failed.pk]
    )
    client.post(again)
    newest = ExportRequest.objects.first()
    assert (newest.state, newest.pk > failed.pk) == (WorkState.QUEUED, True)
    # One that is under way is not asked for a second time.
    client.post(again.replace(f"/{failed.pk}/again", f"/{newest.pk}/again"))
    assert ExportRequest.objects.count() == 2
