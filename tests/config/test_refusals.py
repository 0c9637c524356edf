"""The pages that say why something was refused, for a browser and for the API."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from config import urls
from config.problems import server_error
from evidence.admin.methods import takes_forms
from evidence.errors import EvidenceError, PermissionRefused, StorageUnavailable
from tests.conftest import PASSWORD

SHEET = Path(__file__).resolve().parents[2] / "incidents/static/incidents/refusal.css"
START_PAGE = b'href="/"'
WORDS = "needs incidents.add_incident: ask an administrator <for it>"
SHOWN = b"needs incidents.add_incident: ask an administrator &lt;for it&gt;"

handler400, handler403 = urls.handler400, urls.handler403
handler404, handler500 = urls.handler404, urls.handler500


def refuse(request: HttpRequest, how: str) -> HttpResponse:
    """Fail as a view can fail."""
    raise {
        "denied": PermissionDenied(WORDS),
        "denied-without-words": PermissionDenied(),
        "permission": PermissionRefused(WORDS),
        "service": EvidenceError(WORDS),
        "store": StorageUnavailable(WORDS),
        "fault": ZeroDivisionError("a secret of the code"),
    }[how]


def end_own_session(request: HttpRequest, **how: str) -> HttpResponse:
    """Work on while somebody ends the session of who asks."""
    request.session["worked"] = True
    Session.objects.filter(pk=request.session.session_key).delete()
    return HttpResponse("done")


def work(request: HttpRequest, **how: str) -> HttpResponse:
    """Do something, and note it in the session of who asks."""
    request.session["worked"] = True
    return HttpResponse("done")


urlpatterns = [
    path("pages/worked/", takes_forms(work)),
    path("api/v1/outside/worked/", work),
    path("pages/ended/", takes_forms(end_own_session)),
    path("api/v1/outside/ended/", end_own_session),
    path("pages/<slug:how>/", refuse),
    path("api/v1/outside/<slug:how>/", refuse),
    *urls.urlpatterns,
]


@pytest.fixture
def pages(settings: Settings) -> Client:
    """A client of a site that has failing pages beside Casefile's own."""
    settings.ROOT_URLCONF = "tests.config.test_refusals"
    return Client(raise_request_exception=False)


def require_page(response: HttpResponse, status: int) -> bytes:
    assert response.status_code == status
    content: bytes = response.content
    assert b"incidents/refusal.css" in content
    assert START_PAGE in content
    assert b"<script" not in content
    assert b"style=" not in content
    assert b"Traceback" not in content
    return content


@pytest.mark.parametrize(
    ("how", "status"),
    [("denied", 403), ("permission", 403), ("service", 422), ("store", 503)],
)
def test_refusal_is_shown_in_its_own_words(
    pages: Client, how: str, status: int
) -> None:
    assert SHOWN in require_page(pages.get(f"/pages/{how}/"), status)


def test_refusal_without_words_says_what_it_means(pages: Client) -> None:
    content = require_page(pages.get("/pages/denied-without-words/"), 403)
    assert b"Your roles do not include it." in content


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ("denied", 403, "permission_refused"),
        ("permission", 403, "permission_refused"),
        ("service", 422, "evidence_refused"),
        ("fault", 500, "internal_error"),
    ],
)
def test_refusal_under_the_api_is_a_problem(
    pages: Client, how: str, status: int, code: str
) -> None:
    response = pages.get(f"/api/v1/outside/{how}/")
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == code


@pytest.mark.parametrize("address", ["/nothing/", "/nothing/at/all.php"])
def test_missing_page_tells_no_addresses(client: Client, address: str) -> None:
    content = require_page(client.get(address), 404)
    assert b"nothing that you may see" in content
    assert b"admin/" not in content


def test_missing_page_under_another_version_of_the_api_is_a_problem(
    client: Client,
) -> None:
    response = client.get("/api/v9/incidents/")
    assert response.status_code == 404
    assert response["Content-Type"] == "application/problem+json"


def test_fault_tells_nothing_but_where_to_look(pages: Client) -> None:
    content = require_page(pages.get("/pages/fault/"), 500)
    assert b"a secret of the code" not in content
    assert b"ZeroDivisionError" not in content


def test_page_of_a_fault_needs_no_session_and_no_database() -> None:
    # No database mark: a query would fail this test, as it would fail the page.
    request = HttpRequest()
    request.path = request.path_info = "/admin/"
    require_page(server_error(request), 500)


def test_form_of_another_sign_in_is_explained(responder: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(responder)
    content = require_page(client.post("/admin/logout/"), 403)
    assert b"send the form again" in content


def test_locked_sign_in_says_for_how_long(
    client: Client, settings: Settings, responder: User
) -> None:
    form = {"username": responder.username, "password": "not the password"}
    for _ in range(settings.AXES_FAILURE_LIMIT):
        response = client.post("/admin/login/", form)
    content = require_page(response, 429)
    assert b"After 5 failed attempts" in content
    assert b"for 1 hour," in content
    again = client.post("/admin/login/", form | {"password": PASSWORD})
    assert require_page(again, 429) == content


@pytest.mark.parametrize(
    ("referer", "shown"),
    [
        ("http://testserver/admin/incidents/", True),
        ("http://evil.example.org/admin/", False),
        ("javascript:alert(1)", False),
        ("http://testserver/pages/denied/", False),
    ],
)
def test_way_back_leads_only_to_a_page_of_ours(
    pages: Client, referer: str, shown: bool
) -> None:
    response = pages.get("/pages/denied/", headers={"referer": referer})
    assert (b"Back to where you were" in response.content) is shown
    assert (referer.encode() in response.content) is shown


def test_outsider_meets_the_page_in_the_admin(client: Client, outsider: User) -> None:
    client.force_login(outsider)
    require_page(client.get("/admin/incidents/incident/"), 403)


def test_style_sheet_asks_no_other_site() -> None:
    sheet = SHEET.read_text()
    assert "url(" not in sheet
    assert "@import" not in sheet


@pytest.mark.django_db
def test_session_that_ends_under_way_is_told_without_a_promise(
    pages: Client, responder: User
) -> None:
    pages.force_login(responder)
    answer = pages.post("/pages/ended/", {"reason": "<b>what I typed</b>"})
    content = require_page(answer, 403)
    assert b"Your session has ended" in content
    assert b"may have been done" in content
    assert b"Nothing was changed" not in content
    assert b"&lt;b&gt;what I typed" in content
    pages.force_login(responder)
    answer = pages.get("/api/v1/outside/ended/")
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert "may have been done" in answer.json()["detail"]


@pytest.mark.django_db
def test_database_that_goes_away_at_the_end_of_a_page_ends_no_session(
    pages: Client, responder: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Django tells any error in keeping a session as a session that is gone."""

    def fail(*given: object, **named: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    pages.force_login(responder)
    monkeypatch.setattr(Session, "save", fail)
    read = require_page(pages.get("/pages/worked/"), 503)
    assert b"The database does not answer" in read
    assert b"session has ended" not in read
    # The view was done by then, and what it committed stays.
    sent = pages.post("/pages/worked/", {"reason": "<b>what I typed</b>"})
    content = require_page(sent, 503)
    assert sent["Retry-After"]
    assert b"may have been done" in content
    assert b"Nothing was changed" not in content
    assert b"&lt;b&gt;what I typed" in content
    for method in ("get", "post"):
        answer = getattr(pages, method)("/api/v1/outside/worked/")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert ("may have been done" in answer.json()["detail"]) == (method == "post")
