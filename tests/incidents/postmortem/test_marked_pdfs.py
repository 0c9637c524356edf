"""A postmortem's files say how they are handled; a changed mark makes others."""

from __future__ import annotations

import io
import json

import pytest
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader

from evidence.accounts.access import Role
from evidence.handling import Tlp
from evidence.models import EvidenceItem
from evidence.storage import read_verified
from incidents.models import PostmortemArchive, PostmortemPdf, PostmortemVersion
from incidents.services.lifecycle.marks import set_mark
from incidents.services.postmortems.archive import archive_postmortem
from incidents.services.postmortems.pdfs import request_pdf, run_pdf, stored_pdf
from incidents.services.postmortems.signatures import signature_of
from incidents.workflow.postmortem import content_sha256
from tests.factories import make_user
from tests.incidents.postmortem.cases import LATER, make_stages, sign
from tests.shared import share

pytestmark = pytest.mark.long

_kept, stages, _django_db_helper, evidence_folder = share(
    make_stages("version", "signed")
)


def make_pdf(version: PostmortemVersion) -> PostmortemPdf:
    asked = request_pdf(actor=make_user(), version_id=version.pk)
    run_pdf(pdf_id=asked.pk)
    return PostmortemPdf.objects.get(pk=asked.pk)


def mark_case(version: PostmortemVersion, tlp: Tlp, **more: int) -> None:
    case = version.postmortem.incident
    set_mark(actor=make_user(), incident_id=case.pk, tlp=tlp, **more)


def marks_on(data: bytes | None) -> set[str]:
    """Return the marks that the pages show; each page has one at both ends."""
    assert data
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]
    found = [[tlp.label for tlp in Tlp if text.count(tlp.label) >= 2] for text in pages]
    assert all(len(marks) == 1 for marks in found), found
    return {mark for marks in found for mark in marks}


def page_of(version: PostmortemVersion) -> str:
    client = Client()
    client.force_login(make_user(Role.AUDITOR))
    pages = reverse("admin:incidents_postmortem_change", args=[version.postmortem_id])
    return client.get(pages).content.decode()


def test_every_page_of_a_pdf_says_the_mark_of_its_case(
    version: PostmortemVersion,
) -> None:
    pdf = make_pdf(version)
    assert (pdf.state, pdf.tlp) == ("done", "amber")
    assert marks_on(read_verified(pdf.sha256_hex)) == {"TLP:AMBER"}


def test_a_changed_mark_makes_another_pdf(version: PostmortemVersion) -> None:
    first = make_pdf(version)
    assert request_pdf(actor=make_user(), version_id=version.pk) == first
    mark_case(version, Tlp.RED)
    assert stored_pdf(version, None) is None
    assert "Make the PDF" in page_of(version)
    second = make_pdf(version)
    assert second != first
    assert marks_on(stored_pdf(version, None)) == {"TLP:RED"}
    assert marks_on(read_verified(first.sha256_hex)) == {"TLP:AMBER"}


def test_a_pdf_is_marked_as_strictly_as_the_evidence_that_it_lists(
    version: PostmortemVersion,
) -> None:
    item = EvidenceItem.objects.get(incident=version.postmortem.incident)
    mark_case(version, Tlp.RED, item_id=item.pk)
    assert 'data-tlp="red"' in page_of(version)
    assert marks_on(read_verified(make_pdf(version).sha256_hex)) == {"TLP:RED"}


def test_an_archived_pdf_says_its_mark_and_another_is_made_for_another_mark(
    signed: PostmortemVersion,
) -> None:
    archive = PostmortemArchive.objects.get()
    review = signature_of(PostmortemVersion.objects.get(pk=signed.pk))
    kept = read_verified(archive.pdf_item.sha256_hex)
    assert archive.tlp == "amber"
    assert stored_pdf(signed, review) == kept
    assert marks_on(kept) == {"TLP:AMBER"}

    mark_case(signed, Tlp.RED)
    assert stored_pdf(signed, review) is None
    page = page_of(signed)
    assert "The archived PDF has another mark" in page
    assert "Make the PDF" in page
    make_pdf(signed)
    assert marks_on(stored_pdf(signed, review)) == {"TLP:RED"}
    archive.refresh_from_db()
    assert read_verified(archive.pdf_item.sha256_hex) == kept


@pytest.mark.parametrize("tlp", [Tlp.AMBER, Tlp.RED])
def test_markdown_and_json_say_the_mark_of_now(
    tlp: Tlp, signed: PostmortemVersion
) -> None:
    """The JSON is the signed text but for the member that says the mark."""
    if tlp != Tlp.AMBER:
        mark_case(signed, tlp)
    client = Client()
    client.force_login(make_user(Role.AUDITOR))
    found = {}
    for form in ("md", "json"):
        route = "admin:incidents_postmortem_export"
        answer = client.get(reverse(route, args=[signed.postmortem_id, form]))
        assert f"_{tlp.in_file_name}.{form}" in answer["Content-Disposition"]
        found[form] = answer.content.decode()
    lines = found["md"].splitlines()
    assert lines[0] == lines[-1] == f"**{tlp.label}**"
    marked = json.loads(found["json"])
    assert marked.pop("tlp") == tlp.label
    assert content_sha256(marked) == signed.content_sha256


def test_the_archived_markdown_says_its_mark_and_the_json_is_what_was_signed(
    signed: PostmortemVersion,
) -> None:
    archive = PostmortemArchive.objects.get()
    text = read_verified(archive.markdown_item.sha256_hex).decode()
    assert text.startswith("**TLP:AMBER**\n")
    assert archive.json_item.sha256_hex == signed.content_sha256


def test_archived_files_are_marked_as_what_they_tell_of(
    version: PostmortemVersion,
) -> None:
    item = EvidenceItem.objects.get(incident=version.postmortem.incident)
    mark_case(version, Tlp.RED, item_id=item.pk)
    archive = archive_postmortem(review_id=sign(version).pk)
    assert archive.tlp == "red"
    assert {item.own_tlp for item in archive.items} == {"red"}


def test_a_pdf_from_before_there_were_marks_is_not_handed_out_as_marked(
    version: PostmortemVersion,
) -> None:
    old = PostmortemPdf.objects.create(
        version=version,
        content_key="0" * 64,
        requested_by=make_user(),
        requested_at=LATER,
        touched_at=LATER,
    )
    assert run_pdf(pdf_id=old.pk).state == "done"
    assert stored_pdf(version, None) is None
    assert make_pdf(version).tlp == "amber"
