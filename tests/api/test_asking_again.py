"""What workers gave up is asked for again by the API, in one way for every kind."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from evidence.models import (
    EvidenceKind,
    ExportRequest,
    TokenScope,
    VerificationRequest,
    WorkState,
)
from incidents.models import PostmortemArchiving, PostmortemPdf, PostmortemVersion
from incidents.services.postmortems.archiving import run_archiving
from incidents.services.postmortems.pdfs import run_pdf
from policy.models import ScanRequest
from policy.services.scans import request_scan, run_scan
from tests.api.conftest import make_client
from tests.factories import make_evidence, make_incident, make_user
from tests.incidents.postmortem.cases import make_version, sign

pytestmark = [pytest.mark.django_db, pytest.mark.long]
API = "/api/v1"


@pytest.fixture
def worker() -> APIClient:
    """A responder's client that may write everything that a responder may."""
    return make_client(make_user(), *TokenScope.values)


@pytest.fixture
def given_up() -> ExportRequest:
    item = make_evidence(make_incident())
    return ExportRequest.objects.create(
        source=item,
        redaction={"redact_name_hash": True},
        generated_at_ms=0,
        state=WorkState.GAVE_UP,
        requested_at=item.received_at,
        touched_at=item.received_at,
        finished_at=item.received_at,
        failure="The export could not be made: 3 workers ended.",
    )


@pytest.fixture
def version() -> PostmortemVersion:
    return make_version()


def test_item_is_verified_again(worker: APIClient) -> None:
    item = make_evidence(make_incident())
    response = worker.post(f"{API}/evidence/{item.pk}/again/")
    assert (response.status_code, response.json()["id"]) == (202, item.pk)
    waiting = VerificationRequest.objects.filter(item=item, state=WorkState.QUEUED)
    assert waiting.get().requested_by.get_username() == "responder"


def test_export_is_made_again_unless_it_is_under_way(
    worker: APIClient, given_up: ExportRequest
) -> None:
    response = worker.post(f"{API}/exports/{given_up.pk}/again/")
    newest = ExportRequest.objects.latest("pk")
    assert (response.status_code, response.json()["id"]) == (202, newest.pk)
    assert newest.pk > given_up.pk
    assert newest.source == given_up.source
    again = worker.post(f"{API}/exports/{newest.pk}/again/")
    assert (again.status_code, again.json()["code"]) == (409, "not_given_up")


def test_source_is_scanned_again(worker: APIClient) -> None:
    source = make_evidence(
        make_incident(),
        content=b"eval('1');",
        name="index.js",
        kind=EvidenceKind.EXTENSION_SOURCE,
        verified=False,
    )
    report = run_scan(request_id=request_scan(item_id=source.pk, actor=None).pk)
    response = worker.post(f"{API}/scans/{report.pk}/again/")
    assert response.status_code == 202
    assert ScanRequest.objects.filter(item=source, state=WorkState.QUEUED).exists()


def test_pdf_that_was_given_up_is_made_again(
    worker: APIClient, version: PostmortemVersion
) -> None:
    url = f"{API}/postmortem-versions/{version.pk}/pdf/again/"
    assert worker.post(url).status_code == 202
    PostmortemPdf.objects.update(attempts=3)
    run_pdf(pdf_id=PostmortemPdf.objects.get().pk)
    response = worker.post(url)
    assert response.status_code == 202
    assert response.json()["pdf"]["state"] == "queued"
    assert PostmortemPdf.objects.count() == 2


def test_archive_that_was_given_up_is_made_again(
    worker: APIClient, version: PostmortemVersion
) -> None:
    url = f"{API}/postmortem-versions/{version.pk}/archive/again/"
    assert worker.post(url).status_code == 404
    review = sign(version)
    early = worker.post(url)
    assert (early.status_code, early.json()["code"]) == (409, "not_given_up")
    PostmortemArchiving.objects.update(attempts=3)
    run_archiving(archiving_id=review.archivings.get().pk)
    assert worker.post(url).status_code == 202
    assert review.archivings.count() == 2


@pytest.mark.parametrize(
    "path",
    [
        "evidence/{item}/again/",
        "exports/{export}/again/",
        "postmortem-versions/{version}/pdf/again/",
        "postmortem-versions/{version}/archive/again/",
    ],
)
def test_asking_again_takes_the_scope_and_the_right(
    given_up: ExportRequest, version: PostmortemVersion, auditor: User, path: str
) -> None:
    url = f"{API}/" + path.format(
        item=given_up.source_id, export=given_up.pk, version=version.pk
    )
    reads = make_client(make_user(), TokenScope.READ).post(url)
    assert (reads.status_code, reads.json()["code"]) == (403, "scope_missing")
    if not path.startswith("postmortem"):
        refused = make_client(auditor, *TokenScope.values).post(url)
        assert (refused.status_code, refused.json()["code"]) == (
            403,
            "permission_refused",
        )
    outsider = make_client(make_user(None), *TokenScope.values).post(url)
    assert outsider.status_code in (403, 404)
    assert not ExportRequest.objects.exclude(pk=given_up.pk).exists()
