"""The pages: who sees and does what, hostile text, exports, conflicts, query counts."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from evidence.accounts.access import Role
from evidence.storage import read_verified
from incidents.models import (
    ActionItem,
    Incident,
    Postmortem,
    PostmortemArchiving,
    PostmortemPdf,
)
from incidents.services.findings.gathering import gather_findings
from incidents.services.postmortems.archiving import run_archiving
from incidents.services.postmortems.drafts import current_draft
from incidents.services.postmortems.pdfs import run_pdf
from incidents.workflow.phases import Phase
from incidents.workflow.postmortem import SECTION_KEYS
from tests.factories import make_evidence, make_incident, make_user
from tests.incidents.findings.bundles import entry, make_bundle
from tests.incidents.gates import read_gates
from tests.incidents.postmortem.cases import (
    TEXTS,
    archive_case,
    make_case,
    make_postmortem,
    make_stages,
    sign,
    submit,
    write,
)
from tests.shared import share
from tests.suites import leave_slow

pytestmark = pytest.mark.long

_kept, stages, _django_db_helper, evidence_folder = share(
    make_stages("case", "opened", "written", "version", "signed")
)
BUNDLE = json.dumps(make_bundle([entry(1)])).encode()
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)>"


def client_of(role: Role | None, username: str = "") -> Client:
    client = Client()
    client.force_login(make_user(role, username))
    return client


def url(name: str, *args: object) -> str:
    return reverse(f"admin:incidents_{name}", args=args)


def form_of(postmortem: Postmortem, **texts: str) -> dict[str, object]:
    draft = current_draft(postmortem)
    return {"revision": draft.revision, **draft.sections, **texts}


def messages_of(response) -> str:
    return " ".join(str(message) for message in response.context["messages"])


@pytest.mark.parametrize(
    "role",
    leave_slow(
        (Role.RESPONDER, Role.AUDITOR, Role.REVIEWER, Role.ADMINISTRATOR),
        *(Role.REVIEWER, Role.ADMINISTRATOR),
    ),
)
def test_every_role_reads_every_page(role, signed):
    postmortem = signed.postmortem
    client = client_of(role)
    pages = [
        url("postmortem_changelist"),
        url("postmortem_change", postmortem.pk),
        url("postmortem_compare", postmortem.pk),
        url("postmortem_export", postmortem.pk, "md"),
        url("postmortem_export", postmortem.pk, "pdf"),
        url("postmortem_export", postmortem.pk, "json"),
        url("actionitem_changelist"),
        f"{url('incident_change', postmortem.incident.pk)}?tab=postmortem",
    ]
    for page in pages:
        assert client.get(page).status_code == 200, page


def test_outsider_sees_nothing(version):
    postmortem = version.postmortem
    client = client_of(None)
    for name in ("change", "edit", "compare"):
        page = url(f"postmortem_{name}", postmortem.pk)
        assert client.get(page).status_code in (403, 404)
    assert client.get(url("postmortem_changelist")).status_code == 403


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMINISTRATOR])
def test_readers_are_offered_nothing_and_refused_everything(role, written):
    client = client_of(role)
    page = client.get(url("postmortem_change", written.pk)).content.decode()
    assert "Submit for review" not in page
    assert client.get(url("postmortem_edit", written.pk)).status_code == 403
    posts = [
        url("postmortem_edit", written.pk),
        url("postmortem_autosave", written.pk),
        url("postmortem_open", written.incident.pk),
        url("actionitem_new", written.incident.pk),
        *(
            url("postmortem_do", written.pk, name)
            for name in ("submit", "take-up", "findings")
        ),
    ]
    for target in posts:
        assert client.post(target, form_of(written)).status_code == 403, target


def test_looking_for_findings_again_says_where_that_would_say_nothing_new(written):
    gather_findings(incident_id=written.incident.pk)
    client = client_of(Role.RESPONDER)
    target = url("postmortem_do", written.pk, "findings")
    page = client.post(target, form_of(written), follow=True).content.decode()
    assert "Nothing changed since the evidence was read" in page
    assert "A worker looks for findings again" not in page
    make_evidence(written.incident, content=BUNDLE, name="new.json")
    page = client.post(target, form_of(written), follow=True).content.decode()
    assert "A worker looks for findings again" in page


def test_responder_is_not_offered_a_signature(version):
    client = client_of(Role.RESPONDER)
    page = client.get(url("postmortem_change", version.postmortem_id)).content.decode()
    assert "Return to the authors" not in page
    target = url("postmortem_do", version.postmortem_id, "sign")
    form = {"version": 1, "content_sha256": version.content_sha256}
    assert client.post(target, form).status_code == 403


def test_signing_asks_once_more_and_names_what_is_signed(version):
    client = client_of(Role.REVIEWER)
    page = client.get(url("postmortem_change", version.postmortem_id)).content.decode()
    question = page[page.index("You are about to sign") : page.index("Yes, sign")]
    assert version.postmortem.incident.reference in question
    assert f"<strong>{version.number}</strong>" in question
    assert version.content_sha256[:16] in question


def test_author_is_told_of_four_eyes_and_refused(opened):
    author = make_user(Role.REVIEWER)
    version = submit(write(opened, actor=author), actor=author)
    client = client_of(Role.REVIEWER)
    page = client.get(url("postmortem_change", version.postmortem_id)).content.decode()
    assert "Another reviewer has to sign it" in page
    target = url("postmortem_do", version.postmortem_id, "sign")
    form = {"version": 1, "content_sha256": version.content_sha256}
    refused = client.post(target, form).content.decode()
    assert "it takes a reviewer who did not" in refused


def test_whole_way_by_the_forms(case):
    responder, reviewer = client_of(Role.RESPONDER), client_of(Role.REVIEWER)
    responder.post(url("postmortem_open", case.pk))
    postmortem = Postmortem.objects.get(cycle__incident=case)
    make_postmortem(case)  # the worker's part: findings
    edit = url("postmortem_edit", postmortem.pk)
    answer = responder.post(edit, {**form_of(postmortem, **TEXTS), "submit": "1"})
    assert answer.status_code == 302
    version = postmortem.versions.get()
    assert version.content["sections"] == TEXTS
    page = reviewer.get(url("postmortem_change", postmortem.pk)).content.decode()
    assert version.content_sha256 in page
    reviewer.post(
        url("postmortem_do", postmortem.pk, "sign"),
        {"version": 1, "content_sha256": version.content_sha256},
    )
    postmortem.refresh_from_db()
    assert postmortem.state == "signed"


def test_autosave_answers_with_the_revision_and_what_others_changed(opened):
    form = form_of(opened, summary="mine, ")
    colleague = client_of(Role.RESPONDER, "colleague")
    theirs = form_of(opened, lessons="theirs")
    target = url("postmortem_autosave", opened.pk)
    assert colleague.post(target, theirs).json()["revision"] == 2
    answer = client_of(Role.RESPONDER).post(target, form).json()
    assert answer["revision"] == 3
    assert answer["sections"] == {"lessons": "theirs"}


def test_autosave_conflict_is_409_and_overwrites_nothing(opened):
    target = url("postmortem_autosave", opened.pk)
    mine = form_of(opened, summary="mine")
    theirs = form_of(opened, summary="theirs")
    client_of(Role.RESPONDER, "colleague").post(target, theirs)
    answer = client_of(Role.RESPONDER).post(target, mine)
    assert (answer.status_code, answer.json()["code"]) == (409, "edit_conflict")
    assert current_draft(opened).sections["summary"] == "theirs"


def test_conflict_without_script_shows_both_and_keeps_what_was_typed(opened):
    mine = form_of(opened, summary="mine")
    theirs = form_of(opened, summary="theirs")
    edit = url("postmortem_edit", opened.pk)
    client_of(Role.RESPONDER, "colleague").post(edit, theirs)
    client = client_of(Role.RESPONDER)
    answer = client.post(edit, mine)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "theirs" in page
    assert ">\nmine</textarea>" in page
    again = {**mine, "revision": 2}
    assert client.post(edit, again).status_code == 302
    assert current_draft(opened).sections["summary"] == "mine"


@pytest.mark.parametrize(
    "changes", [{"revision": "x"}, {"revision": "9" * 30}, {"summary": "x" * 20_001}]
)
def test_bad_form_is_refused_in_words(changes, opened):
    target = url("postmortem_autosave", opened.pk)
    answer = client_of(Role.RESPONDER).post(target, {**form_of(opened), **changes})
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_hostile_text_stays_text_on_every_page():
    incident = make_case(title=SCRIPT)
    texts = dict.fromkeys(SECTION_KEYS, f"{SCRIPT} [x](javascript:alert(3))")
    version = submit(write(make_postmortem(incident), **texts))
    write_target = url("postmortem_do", version.postmortem_id, "take-up")
    client = client_of(Role.RESPONDER)
    client.post(write_target, {"reason": SCRIPT})
    write(version.postmortem, summary=f"other {SCRIPT}")
    client.post(
        url("actionitem_new", incident.pk),
        {
            "text": SCRIPT,
            "item_type": "corrective",
            "owner": make_user().pk,
            "due_on": "2999-01-01",
        },
    )
    item = ActionItem.objects.get()
    for page in (
        url("postmortem_change", version.postmortem_id),
        url("postmortem_change", version.postmortem_id) + "?version=1",
        url("postmortem_edit", version.postmortem_id),
        url("postmortem_compare", version.postmortem_id),
        url("actionitem_change", item.pk),
        url("actionitem_changelist"),
        url("postmortem_changelist"),
    ):
        html = client.get(page).content.decode()
        assert "<script>alert" not in html, page
        assert "<img src=x" not in html, page
        assert 'href="javascript' not in html, page


def test_exports_are_downloads_of_the_very_version(signed):
    client = client_of(Role.AUDITOR)
    found = {}
    for form in ("md", "pdf", "json"):
        answer = client.get(url("postmortem_export", signed.postmortem_id, form))
        assert answer["Content-Disposition"].endswith(
            f'-postmortem-v1_TLP-AMBER.{form}"'
        )
        assert answer["X-Content-Type-Options"] == "nosniff"
        found[form] = answer.content
    assert found["json"].replace(b'"tlp":"TLP:AMBER",', b"") == (
        signed.document.encode()
    )
    assert json.loads(found["json"])["sections"] == TEXTS
    assert json.loads(found["json"])["tlp"] == "TLP:AMBER"
    assert "signed by reviewer" in found["md"].decode()
    assert found["pdf"].startswith(b"%PDF-")


@pytest.mark.parametrize(
    "query", ["?version=9", "?version=x", "?version=" + "9" * 40, "?from=0&to=1"]
)
def test_version_that_does_not_exist_is_404(query, version):
    client = client_of(Role.AUDITOR)
    name = "compare" if "from" in query else "change"
    page = url(f"postmortem_{name}", version.postmortem_id)
    assert client.get(page + query).status_code == 404


def test_pdf_is_made_by_a_worker_and_handed_out_as_it_is_stored(version):
    client = client_of(Role.AUDITOR)
    page = url("postmortem_change", version.postmortem_id)
    export = url("postmortem_export", version.postmortem_id, "pdf")
    assert client.get(export).status_code == 302
    assert "Make the PDF" in client.get(page).content.decode()
    ask = url("postmortem_do", version.postmortem_id, "pdf")
    for _ in range(2):
        client.post(ask, {"version": version.number})
    pdf = PostmortemPdf.objects.get()
    status = client.get(url("postmortem_status", version.postmortem_id)).json()
    assert [work["label"] for work in status["pending"]] == ["PDF: queued"]
    assert client.get(export).status_code == 302
    run_pdf(pdf_id=pdf.pk)
    answer = client.get(export)
    assert answer.content == read_verified(PostmortemPdf.objects.get().sha256_hex)
    assert answer.content.startswith(b"%PDF-")
    assert "Make the PDF" not in client.get(page).content.decode()


def test_pdf_that_was_given_up_says_why_and_is_asked_for_again(version):
    client = client_of(Role.RESPONDER)
    ask = url("postmortem_do", version.postmortem_id, "pdf")
    client.post(ask, {"version": version.number})
    PostmortemPdf.objects.update(attempts=3)
    run_pdf(pdf_id=PostmortemPdf.objects.get().pk)
    page = client.get(url("postmortem_change", version.postmortem_id)).content.decode()
    assert "The workers gave up the PDF." in page
    assert "3 workers ended while they were at it" in page
    assert "Ask for the PDF again" in page
    client.post(ask, {"version": version.number})
    newest = PostmortemPdf.objects.first()
    assert PostmortemPdf.objects.count() == 2
    assert run_pdf(pdf_id=newest.pk).state == "done"


def test_archive_that_was_given_up_says_why_everywhere_and_is_asked_for_again(version):
    review = sign(version)
    PostmortemArchiving.objects.update(attempts=3)
    assert run_archiving(archiving_id=review.archivings.get().pk) is None
    client = client_of(Role.RESPONDER)
    page = url("postmortem_change", version.postmortem_id)
    assert "The workers gave up archiving" in client.get(page).content.decode()
    listed = client.get(url("postmortem_changelist")).content.decode()
    assert "Gave up" in listed
    incident = version.postmortem.incident
    gate = read_gates(incident, incident.current_cycle)[Phase.POSTMORTEM]
    assert any("gave up archiving: 3 workers" in str(each) for each in gate.failed)
    ask = url("postmortem_do", version.postmortem_id, "archive")
    client_of(Role.AUDITOR).post(ask, {"version": version.number})
    assert review.archivings.count() == 1
    client.post(ask, {"version": version.number})
    assert review.archivings.count() == 2
    archive = run_archiving(archiving_id=review.archivings.first().pk)
    assert archive.review == review
    archive_case(incident)
    gate = read_gates(incident, incident.current_cycle)[Phase.POSTMORTEM]
    assert "artifacts-archived" not in [each.key for each in gate.failed]
    # What is archived is not asked for again, nor is the PDF made a second time.
    client.post(ask, {"version": version.number})
    assert review.archivings.count() == 2
    export = client.get(url("postmortem_export", version.postmortem_id, "pdf"))
    assert export.content == read_verified(archive.pdf_item.sha256_hex)
    assert not PostmortemPdf.objects.exists()


def test_voided_signature_shows(signed):
    client = client_of(Role.RESPONDER)
    client.post(
        url("postmortem_do", signed.postmortem_id, "take-up"), {"reason": "a mistake"}
    )
    target = url("postmortem_change", signed.postmortem_id)
    assert (
        "This signature is void" in client.get(f"{target}?version=1").content.decode()
    )
    assert "is void" in client.get(target).content.decode()
    export = client.get(
        url("postmortem_export", signed.postmortem_id, "md") + "?version=1"
    )
    assert "not signed" in export.content.decode()


def count_queries(client: Client, target: str) -> int:
    """Return how many queries a page takes, once all that is cached is cached."""
    client.get(target)
    with CaptureQueriesContext(connection) as queries:
        assert client.get(target).status_code == 200
    return len(queries.captured_queries)


def test_page_costs_the_same_however_much_there_is(version):
    incident = version.postmortem.incident
    client = client_of(Role.RESPONDER)
    target = url("postmortem_change", version.postmortem_id)
    before = count_queries(client, target)
    assert before <= 40
    for number in range(5):
        client.post(
            url("actionitem_new", incident.pk),
            {
                "text": f"item {number}",
                "item_type": "detective",
                "owner": make_user().pk,
                "due_on": "2999-01-01",
            },
        )
    assert incident.action_items.count() == 5
    assert count_queries(client, target) == before


def test_lists_cost_the_same_however_long():
    client = client_of(Role.RESPONDER)
    make_postmortem(make_incident())
    target = url("postmortem_changelist")
    before = count_queries(client, target)
    for _ in range(3):
        make_postmortem(make_incident())
    assert count_queries(client, target) == before


def test_item_is_changed_closed_and_conflicts_by_the_forms():
    incident = make_incident()
    client = client_of(Role.RESPONDER)
    form = {
        "text": "Watch the log",
        "item_type": "detective",
        "owner": make_user().pk,
        "due_on": "2999-01-01",
    }
    assert client.post(url("actionitem_new", incident.pk), form).status_code == 302
    item = Incident.objects.get(pk=incident.pk).action_items.get()
    page = url("actionitem_change", item.pk)
    assert (
        client.post(page, {**form, "revision": 1, "ticket": "bd-1"}).status_code == 302
    )
    stale = client.post(page, {**form, "revision": 1, "text": "Else"})
    assert stale.status_code == 409
    client.post(url("actionitem_do", item.pk, "close"), {"state": "done"})
    item.refresh_from_db()
    assert item.is_open
    client.post(
        url("actionitem_do", item.pk, "close"), {"state": "done", "outcome": "yes"}
    )
    item.refresh_from_db()
    assert (item.state, item.ticket) == ("done", "bd-1")
