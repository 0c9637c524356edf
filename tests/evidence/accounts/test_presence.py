"""A password again before signing, approving, accounts, tokens and evidence."""

import datetime as dt
import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from evidence.accounts.access import Role
from evidence.accounts.presence import PROVED
from evidence.form_keys import KEY_NAME
from evidence.models import ApiToken, AuditEntry
from tests.conftest import PASSWORD
from tests.factories import make_evidence, make_incident
from tests.factories import make_user as make_person
from tests.incidents.postmortem.cases import make_version

pytestmark = pytest.mark.django_db
CONFIRM = "/admin/confirm/"
ASKING = {
    "policy.extension": {"approve", "decline"},
    "policy.killswitch": {
        "approve",
        "decline",
        "approve-release",
        "decline-release",
    },
    "policy.rollback": {"approve", "decline"},
    "incidents.incident": {
        *("waive", "revoke-waiver", "duplicate", "false-alarm", "take-over", "reopen"),
        *("approve-mark", "decline-mark", "release-hold", "lift-restriction"),
    },
    "incidents.prunerequest": {"approve", "decline"},
    "incidents.postmortem": {"sign", "return"},
}
"""Every button that asks. A new one that a reviewer's right opens is stated here."""
KINDS = ("sign", "approve", "lift", "waive", "release-hold")


@pytest.fixture(autouse=True)
def asked(settings: Settings) -> None:
    settings.PRESENCE_MINUTES = 15


def actions() -> dict[tuple[str, str], bool]:
    return {
        (model._meta.label_lower, key): action.asks_presence
        for model, page in admin.site._registry.items()
        for key, action in getattr(page, "page_actions", {}).items()
    }


def test_the_buttons_that_ask_are_those_that_are_stated() -> None:
    found = {name for name, asks in actions().items() if asks}
    assert found == {(model, key) for model, keys in ASKING.items() for key in keys}


def test_no_button_that_signs_approves_or_lifts_does_not_ask() -> None:
    silent = [
        name
        for name, asks in actions().items()
        if not asks and name[1].startswith(KINDS)
    ]
    assert silent == []


def sign_in(name: str, minutes_ago: int = 0) -> Client:
    client = Client()
    form = {"username": name, "password": PASSWORD}
    client.post("/admin/login/?next=/admin/", form)
    session = client.session
    moment = timezone.now() - dt.timedelta(minutes=minutes_ago)
    session[PROVED] = moment.isoformat()
    session.save()
    return client


def asks(response) -> bool:
    return response.status_code == 302 and CONFIRM in response.headers["Location"]


PAGES = (
    "/admin/auth/user/add/",
    "/admin/auth/user/{person}/password/",
    "/admin/auth/user/{person}/roles/",
    "/admin/auth/user/{person}/active/",
    "/admin/auth/user/{person}/email/",
    "/admin/evidence/apitoken/add/",
)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_accounts_and_tokens_ask_for_the_password_again(
    administrator: User, responder: User, page: str, method: str
) -> None:
    path = page.format(person=responder.pk)
    late, fresh = sign_in("administrator", 16), sign_in("administrator", 14)
    assert asks(getattr(late, method)(path))
    assert getattr(fresh, method)(path).status_code == 200


def test_the_password_leads_on_to_what_was_wanted(administrator: User) -> None:
    client = sign_in("administrator", 16)
    page = client.get("/admin/auth/user/add/?x=1").headers["Location"]
    assert "Is it you?" in client.get(page).content.decode()
    wrong = client.post(page, {"password": "wrong"})
    assert "This is not your password" in wrong.content.decode()
    right = client.post(page, {"password": PASSWORD})
    assert right.headers["Location"] == "/admin/auth/user/add/?x=1"
    assert client.get("/admin/auth/user/add/").status_code == 200


@pytest.mark.parametrize("target", ["https://evil.example.org/", "//evil.org", ""])
def test_it_leads_nowhere_else(administrator: User, target: str) -> None:
    client = sign_in("administrator", 16)
    answer = client.post(f"{CONFIRM}?next={target}", {"password": PASSWORD})
    assert answer.headers["Location"] == "/admin/"


def test_guessing_there_is_limited_and_recorded(
    administrator: User, settings: Settings
) -> None:
    client = sign_in("administrator", 16)
    statuses = [
        client.post(CONFIRM, {"password": "wrong"}).status_code
        for _ in range(settings.AXES_FAILURE_LIMIT)
    ]
    assert statuses[-1] == 429
    assert client.post(CONFIRM, {"password": PASSWORD}).status_code == 429
    assert AuditEntry.objects.filter(action="person.locked_out").count() == 1


def test_session_without_a_password_is_asked(administrator: User) -> None:
    client = Client()
    client.force_login(administrator)
    assert asks(client.get("/admin/evidence/apitoken/add/"))
    assert not ApiToken.objects.exists()


def test_nobody_is_asked_where_it_is_switched_off(
    administrator: User, settings: Settings
) -> None:
    settings.PRESENCE_MINUTES = 0
    client = Client()
    client.force_login(administrator)
    assert client.get("/admin/auth/user/add/").status_code == 200


def test_signature_waits_for_the_password_and_is_kept_meanwhile() -> None:
    version = make_version()
    client = Client()
    client.force_login(make_person(Role.REVIEWER))
    page = f"/admin/incidents/postmortem/{version.postmortem_id}/"
    target = f"{page}do/sign/"
    shown = client.get(f"{page}change/").content.decode()
    key = re.findall(rf'name="{KEY_NAME}" value="([^"]+)"', shown)[0]
    form = {
        "version": 1,
        "content_sha256": version.content_sha256,
        KEY_NAME: key,
    }
    asked = client.post(target, form)
    assert asks(asked)
    version.postmortem.refresh_from_db()
    assert version.postmortem.state != "signed"
    back = client.post(asked.headers["Location"], {"password": PASSWORD})
    assert back.headers["Location"] == target
    again = client.get(target).content.decode()
    assert "your password was needed first" in again
    client.post(target, form)
    version.postmortem.refresh_from_db()
    assert version.postmortem.state == "signed"


def test_evidence_is_not_downloaded_from_an_open_browser(responder: User) -> None:
    item = make_evidence(make_incident())
    late, fresh = sign_in("responder", 16), sign_in("responder", 14)
    path = reverse("admin:evidence_evidenceitem_download", args=[item.pk])
    assert asks(late.get(path))
    assert fresh.get(path).status_code == 200
