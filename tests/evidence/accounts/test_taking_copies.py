"""What taking a copy from the admin asks for: a right, and the password again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.accounts.presence import PROVED
from evidence.format import REDACTION_FLAGS
from evidence.models import AuditEntry, CustodyEvent, CustodyKind, EvidenceItem
from evidence.services import request_export, run_export
from incidents.models import Incident
from incidents.services.archives.requests import request_archive, run_archive
from tests.factories import make_evidence, make_incident, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.long]
FULL = dict.fromkeys(REDACTION_FLAGS, True)
READERS = {Role.RESPONDER, Role.REVIEWER, Role.AUDITOR}
WHOLE_TAKERS = {Role.REVIEWER, Role.AUDITOR}


@pytest.fixture(autouse=True)
def asked(settings: Settings) -> None:
    settings.PRESENCE_MINUTES = 15


def evidence(case: Incident) -> str:
    return page_of_item(make_evidence(case))


def export(case: Incident, redaction: dict[str, bool]) -> str:
    asked = request_export(
        item_id=make_evidence(case).pk,
        filter={},
        redaction=redaction,
        deep=bool(redaction),
        actor=make_user(Role.REVIEWER),
    )
    result = run_export(request_id=asked.pk).result
    assert result is not None
    return page_of_item(result)


def archive(case: Incident, redaction: dict[str, bool] | None) -> str:
    make_evidence(case)
    asked = request_archive(
        incident_id=case.pk,
        actor=make_user(Role.REVIEWER),
        redaction=redaction,
        deep=redaction is not None,
    )
    assert run_archive(archive_id=asked.pk)
    return reverse("admin:incidents_casearchive_file", args=[asked.pk])


def page_of_item(item: EvidenceItem) -> str:
    return reverse("admin:evidence_evidenceitem_download", args=[item.pk])


COPIES: dict[str, tuple[Callable[[Incident], str], set[Role], bool]] = {
    # What makes it and returns its address; who may take it; whether it asks.
    "evidence": (evidence, READERS, True),
    "unredacted export": (lambda case: export(case, {}), READERS, True),
    "redacted export": (lambda case: export(case, FULL), READERS, True),
    "whole archive": (lambda case: archive(case, None), WHOLE_TAKERS, True),
    "redacted archive": (lambda case: archive(case, FULL), READERS, False),
}


def browse(person: User, *, minutes_ago: int | None) -> Client:
    """Return the browser of somebody who gave the password so long ago, or never."""
    client = Client(raise_request_exception=False)
    client.force_login(person)
    if minutes_ago is not None:
        session = client.session
        moment = timezone.now() - dt.timedelta(minutes=minutes_ago)
        session[PROVED] = moment.isoformat()
        session.save()
    return client


def taken() -> int:
    """Return how many downloads are on record."""
    entries = AuditEntry.objects.filter(action="archive.downloaded").count()
    return entries + CustodyEvent.objects.filter(kind=CustodyKind.DOWNLOADED).count()


def is_asking(answer: Any) -> bool:
    return answer.status_code == 302 and "/admin/confirm/" in answer["Location"]


def is_refused(answer: Any) -> bool:
    """Return whether nothing was given; who is no staff is sent to sign in."""
    is_sent_away = answer.status_code == 302 and "/admin/login/" in answer["Location"]
    return answer.status_code in (403, 404) or is_sent_away


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_taken_by_who_may_and_after_the_password(kind: str) -> None:
    make, takers, needs_password = COPIES[kind]
    url = make(make_incident())
    for role in Role:
        person = make_user(role)
        before = taken()
        if role not in takers:
            answer = browse(person, minutes_ago=1).get(url)
            assert is_refused(answer), role
            assert taken() == before, role
            continue
        for minutes_ago in (None, 16):
            answer = browse(person, minutes_ago=minutes_ago).get(url)
            assert is_asking(answer) == needs_password, role
        assert taken() == (before if needs_password else before + 2)
        answer = browse(person, minutes_ago=14).get(url)
        assert answer.status_code == 200, role
        assert b"".join(answer.streaming_content)
        assert "TLP-" in answer["Content-Disposition"] or kind == "evidence"
    assert browse(make_user(None), minutes_ago=1).get(url).status_code in (
        302,
        403,
        404,
    )
    assert Client().get(url).status_code == 302
