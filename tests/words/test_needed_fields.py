"""A field says when it is needed, and every file is taken by the designed zone."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.factories import make_incident

pytestmark = pytest.mark.django_db
FILE = re.compile(r'<input[^>]*type="file"[^>]*>')
ZONE = re.compile(r'<div class="cf-drop"[^>]*>(.*?)</div>', re.S)
PAGES = (
    "admin:evidence_evidenceitem_upload",
    "admin:policy_policysnapshot_add",
    "admin:policy_scanreport_add",
    "admin:policy_runtimehistoryimport_add",
)


@pytest.mark.parametrize("name", PAGES)
def test_every_file_is_dropped_on_the_designed_zone(
    client: Client, responder: User, name: str
) -> None:
    make_incident()
    client.force_login(responder)
    page = client.get(reverse(name)).content.decode()
    inputs = FILE.findall(page)
    assert inputs
    assert FILE.findall("".join(ZONE.findall(page))) == inputs


def beside(page: str, label: str) -> str:
    """Return what stands beside a field's name."""
    found = re.search(
        rf"<label[^>]*>\s*{re.escape(label)}\s*(?:<span[^>]*>(.*?)</span>)?", page
    )
    assert found is not None, label
    return (found[1] or "").strip()


def test_a_snapshot_says_that_one_of_two_is_needed(
    client: Client, responder: User
) -> None:
    client.force_login(responder)
    page = client.get(reverse("admin:policy_policysnapshot_add")).content.decode()
    for label in ("settings.json", "or settings.json, pasted"):
        assert beside(page, label) == "needed: this or the other"
    assert beside(page, "Profile on the command line") == "optional"


def test_editing_a_case_says_what_cannot_be_left_empty(
    client: Client, responder: User
) -> None:
    client.force_login(responder)
    case = make_incident()
    url = reverse("admin:incidents_incident_edit", args=[case.pk])
    page = client.get(url).content.decode()
    assert beside(page, "Extensions") == "at least one"
    assert beside(page, "Reason") == "needed to lower the severity"
    assert beside(page, "Labels") == "optional"
