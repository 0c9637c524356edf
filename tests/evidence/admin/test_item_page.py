import base64
import hashlib
import json
import re

import pytest
from django.urls import reverse

from evidence.format import seal_ledger_entries
from evidence.models import CustodyKind, VerificationRequest, WorkState
from evidence.services import (
    request_export,
    run_export,
    run_verification,
    verification_reports,
)
from evidence.storage import key_of
from tests.evidence.helpers import (
    make_ledger,
    make_ledger_entry,
    read_vector,
    receive,
)
from tests.factories import make_incident

pytestmark = pytest.mark.long

VIEWS = ("overview", "replay", "errors", "custody", "exports")
# Session, user, rights (2), the item, its viewing (savepoint 2, look-up), the report,
# pending work (2), a fault of its bytes, and what the view itself shows.
MOST_QUERIES = 26
# The first look at the replay writes an entry of the history.
MOST_QUERIES_OF_FIRST_REPLAY = 29


def page_url(item, **query):
    url = reverse("admin:evidence_evidenceitem_change", args=[item.pk])
    return url + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")


def make_item(data=None, name="bundle.json"):
    """Receive and verify a document."""
    item = receive(make_incident().pk, data or read_vector("plain"), name)
    run_verification(request_id=item.verification_requests.get().pk)
    return item


def text_of(response):
    text = re.sub(r"<[^>]*>", " ", response.content.decode())
    return re.sub(r"\s+", " ", text)


def test_page_shows_badge_steps_summary_and_plot(client, auditor):
    client.force_login(auditor)
    response = client.get(page_url(make_item()))
    text = text_of(response)
    assert "Verified" in text
    assert "last checked" in text
    steps = ("Bundle hash", "Ledger chain", "Summary counts", "Schema", "Redaction")
    places = [text.index(f"{step} ", text.index("The five steps")) for step in steps]
    assert places == sorted(places)
    assert "✓ pass" in text
    assert "– not applicable" in text
    assert "Diagnosis intact" in text
    assert "Alerts by category and severity" in text
    content = response.content.decode()
    assert "<svg" in content
    assert "<desc" in content
    assert 'class="ev-mark ev-mark-deny"' in content
    assert "Distinct extensions 4" in text


def test_broken_ledger_shows_break_errors_and_untrusted_steps(client, auditor):
    client.force_login(auditor)
    item = make_item(read_vector("tampered-removed-entry"))
    report = item.reports.get()
    response = client.get(page_url(item))
    text = text_of(response)
    assert "Failed verification" in text
    assert "Ledger: tampering" in text
    assert f"Break point entry {report.break_index}" in text
    assert f"Trusted prefix {report.trusted_prefix} of {report.step_count}" in text
    assert "Missing entries" in text
    assert 'class="ev-break"' in response.content.decode()
    replay = client.get(
        page_url(item, view="replay", **{"from": report.break_index - 1})
    )
    text = text_of(replay)
    assert "The ledger breaks here" in text
    assert " trusted " in text
    assert "✗ untrusted" in text


def test_refused_and_damaged_items_say_why(client, auditor, evidence_folder):
    client.force_login(auditor)
    broken = read_vector("refused-section-type") + b" " * (17 * 1024 * 1024)
    text = text_of(client.get(page_url(make_item(broken))))
    assert "Refused" in text
    assert "$.security_alerts" in text


def test_queries_do_not_grow_with_the_document(
    client, auditor, django_assert_max_num_queries
):
    client.force_login(auditor)
    small, large = make_item(make_ledger(10)), make_item(make_ledger(2000))
    for item in (small, large):
        client.get(page_url(item))
        with django_assert_max_num_queries(MOST_QUERIES_OF_FIRST_REPLAY):
            client.get(page_url(item, view="replay"))
        for view in VIEWS:
            with django_assert_max_num_queries(MOST_QUERIES, info=view):
                assert client.get(page_url(item, view=view)).status_code == 200


def test_replay_is_paged_by_key_and_filtered(client, auditor):
    client.force_login(auditor)
    item = make_item(make_ledger(170))
    first = client.get(page_url(item, view="replay"))
    steps = first.context["page"].rows
    assert [step.index for step in steps] == list(range(50))
    following = client.get("?".join([page_url(item), first.context["page"].following]))
    assert [s.index for s in following.context["page"].rows] == list(range(50, 100))
    back = client.get("?".join([page_url(item), following.context["page"].previous]))
    assert [s.index for s in back.context["page"].rows] == list(range(50))
    assert back.context["page"].previous == ""
    last = client.get(page_url(item, view="replay", **{"from": 150}))
    assert [s.index for s in last.context["page"].rows] == list(range(150, 170))
    assert last.context["page"].following == ""

    response = client.get(page_url(item, view="replay", extension_id="ext.number-1"))
    page = response.context["page"]
    assert {step.extension_id for step in page.rows} == {"ext.number-1"}
    assert "extension_id=ext.number-1" in page.following
    call = client.get(page_url(item, view="replay", call_id="call-000042"))
    assert [step.sequence for step in call.context["page"].rows] == [42]


def test_odd_paging_values_do_no_harm(client, auditor):
    client.force_login(auditor)
    item = make_item(make_ledger(3))
    for value in ("x", "-1", "9" * 400, "1e3", "²"):
        for name in ("from", "before", "report", "extension_id", "call_id"):
            url = page_url(item, view="replay", **{name: value})
            assert (url, client.get(url).status_code) == (url, 200)


def test_errors_are_paged(client, auditor):
    client.force_login(auditor)
    entries = [{"not": "an entry"} for _ in range(120)]
    item = make_item(json.dumps(seal_ledger_entries(entries)).encode())
    first = client.get(page_url(item, view="errors")).context["page"]
    assert [error.position for error in first.rows] == list(range(50))
    second = client.get("?".join([page_url(item), first.following])).context["page"]
    assert [error.position for error in second.rows] == list(range(50, 100))


def test_errors_that_are_too_many_to_store_are_counted_and_told(
    client, auditor, monkeypatch
):
    monkeypatch.setattr(verification_reports, "MOST_STORED_ERRORS", 7)
    client.force_login(auditor)
    entries = [{"not": "an entry"} for _ in range(20)]
    report = make_item(json.dumps(seal_ledger_entries(entries)).encode()).reports.get()
    assert report.errors.count() == 7
    assert report.error_count == 20
    response = client.get(page_url(report.item, view="errors"))
    more = f"The last {report.error_count - 7} of them are counted and not listed"
    assert more in text_of(response)


def test_hostile_text_is_escaped(client, auditor):
    client.force_login(auditor)
    script = "<script>alert(1)</script>"
    entries = [make_ledger_entry(1, extension_id=script, triggers=[script])]
    data = json.dumps(seal_ledger_entries(entries)).encode()
    item = make_item(data, name=f"{script}.json")
    for view in VIEWS:
        content = client.get(page_url(item, view=view)).content.decode()
        assert "<script>alert" not in content


def test_viewing_is_recorded_once(client, auditor):
    client.force_login(auditor)
    item = make_item()
    client.get(page_url(item), REMOTE_ADDR="192.0.2.7")
    client.get(page_url(item, view="custody"), REMOTE_ADDR="192.0.2.7")
    event = item.custody_events.get(kind=CustodyKind.VIEWED)
    assert (event.actor, event.ip_address) == (auditor, "192.0.2.7")


def test_download_is_an_attachment_and_recorded(client, auditor):
    client.force_login(auditor)
    item = make_item(name="été.json")
    response = client.get(
        reverse("admin:evidence_evidenceitem_download", args=[item.pk])
    )
    assert b"".join(response.streaming_content) == read_vector("plain")
    assert response["Content-Disposition"].startswith("attachment;")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Type"] == "application/octet-stream"
    digest = base64.b64encode(hashlib.sha256(read_vector("plain")).digest()).decode()
    assert response["Repr-Digest"] == f"sha-256=:{digest}:"
    assert item.custody_events.filter(kind=CustodyKind.DOWNLOADED).count() == 1


def test_damaged_file_is_not_downloaded_and_the_page_says_why(
    client, auditor, evidence_folder
):
    client.force_login(auditor)
    item = make_item()
    path = evidence_folder / key_of(item.sha256_hex)
    path.chmod(0o600)
    path.write_bytes(b" " * item.size_bytes)
    response = client.get(
        reverse("admin:evidence_evidenceitem_download", args=[item.pk]), follow=True
    )
    assert "they were changed in the store" in text_of(response)
    assert not item.custody_events.filter(kind=CustodyKind.DOWNLOADED).exists()


def test_verify_again_and_its_progress(client, responder):
    client.force_login(responder)
    item = make_item()
    status = reverse("admin:evidence_evidenceitem_status", args=[item.pk])
    assert client.get(status).json() == {"pending": []}
    url = reverse("admin:evidence_evidenceitem_verify", args=[item.pk])
    assert client.get(url).status_code == 405
    response = client.post(url, follow=True)
    assert "Verification is queued" in text_of(response)
    assert "data-work-status" in response.content.decode()
    request = VerificationRequest.objects.get(state=WorkState.QUEUED)
    VerificationRequest.objects.filter(pk=request.pk).update(progress_percent=42)
    (work,) = client.get(status).json()["pending"]
    assert (work["label"], work["percent"]) == ("Verification: queued", 42)


def test_export_form_makes_a_request_and_shows_its_result(client, responder):
    client.force_login(responder)
    item = make_item(read_vector("redaction.source"))
    url = reverse("admin:evidence_evidenceitem_export", args=[item.pk])
    client.post(
        url,
        {"redaction": "chosen", "flags": ["redact_name_hash"], "min_severity": "error"},
    )
    request = item.export_requests.get()
    assert request.redaction["redact_name_hash"] is True
    assert request.redaction["redact_params_hash"] is False
    assert request.filter["min_severity"] == "error"
    done = run_export(request_id=request.pk)
    text = text_of(client.get(page_url(item, view="exports")))
    assert done.result.sha256_hex in text
    refused = client.post(
        url, {"redaction": "full", "start_at": "yesterday"}, follow=True
    )
    assert "From (inclusive)" in text_of(refused)
    assert item.export_requests.count() == 1


def test_failed_export_says_why(client, responder):
    client.force_login(responder)
    item = make_item(read_vector("leak.source"))
    request = request_export(
        item_id=item.pk,
        filter={},
        redaction={"redact_name_hash": True},
        actor=responder,
    )
    run_export(request_id=request.pk)
    text = text_of(client.get(page_url(item, view="exports")))
    assert "does not pass its verification" in text


NOBODY = ("outsider", "machine")
PEOPLE = ("responder", "reviewer", "auditor", "administrator")
ALLOWED = {
    "change": PEOPLE,
    "status": PEOPLE,
    "download": ("responder", "reviewer", "auditor"),
    "verify": ("responder", "reviewer"),
    "export": ("responder", "reviewer"),
}


@pytest.mark.parametrize("person", [*PEOPLE, *NOBODY])
def test_each_role_may_do_what_it_may(client, db, request, person):
    item = make_item()
    client.force_login(request.getfixturevalue(person))
    for page, people in ALLOWED.items():
        before = item.verification_requests.count() + item.export_requests.count()
        url = reverse(f"admin:evidence_evidenceitem_{page}", args=[item.pk])
        posts = page in ("verify", "export")
        response = client.post(url, {"redaction": "full"}) if posts else client.get(url)
        after = item.verification_requests.count() + item.export_requests.count()
        done = after > before if posts else response.status_code == 200
        assert (page, done) == (page, person in people)


def test_anonymous_visitor_is_sent_to_sign_in(client, db):
    item = make_item()
    for page in (*ALLOWED, "delete", "history"):
        url = reverse(f"admin:evidence_evidenceitem_{page}", args=[item.pk])
        for response in (client.get(url), client.post(url)):
            assert (page, response.status_code in (302, 405)) == (page, True)
            if response.status_code == 302:
                assert "/login/" in response["Location"]


@pytest.mark.parametrize("person", ["responder", "administrator"])
def test_nothing_can_be_changed_or_deleted(client, db, request, person):
    item = make_item()
    user = request.getfixturevalue(person)
    user.is_superuser = True
    user.save()
    client.force_login(user)
    assert client.post(page_url(item), {"original_name": "x"}).status_code == 405
    delete = reverse("admin:evidence_evidenceitem_delete", args=[item.pk])
    assert client.post(delete, {"post": "yes"}).status_code == 403
    item.refresh_from_db()
    assert item.original_name == "bundle.json"


def test_missing_item_is_not_found(client, auditor):
    client.force_login(auditor)
    url = reverse("admin:evidence_evidenceitem_change", args=[4711])
    assert client.get(url).status_code == 404
