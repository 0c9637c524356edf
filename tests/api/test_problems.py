"""Whatever goes wrong is told in one shape: RFC 9457."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from evidence.errors import CasefileError

pytestmark = pytest.mark.django_db
MEMBERS = {"type", "title", "status", "detail", "instance", "code"}


def require_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert set(body) >= MEMBERS
    assert (body["status"], body["code"]) == (status, code)
    assert body["type"] == f"urn:casefile:problem:{code}"
    assert "Traceback" not in str(body)
    return body


@pytest.mark.parametrize(
    "path", ["", "nothing/", "incidents", "incidents/x/", "evidence/x/y", "alerts/1"]
)
def test_address_that_does_not_exist(reader: APIClient, path: str) -> None:
    if path == "":
        path = "no-such-root/"
    body = require_problem(reader.get(f"/api/v1/{path}"), 404, "not_found")
    assert body["instance"] == f"/api/v1/{path}"


def test_address_that_does_not_exist_says_so_to_everybody() -> None:
    require_problem(Client().post("/api/v1/nothing/"), 404, "not_found")


@pytest.mark.parametrize("path", ["incidents/SEC-INC-2026-0001/", "alerts/9/"])
def test_row_that_does_not_exist(reader: APIClient, path: str) -> None:
    require_problem(reader.get(f"/api/v1/{path}"), 404, "not_found")


@pytest.mark.parametrize(
    "path", ["alerts/999999999999999999/", "reports/0/", "evidence/" + "9" * 30 + "/"]
)
def test_number_beyond_every_row(reader: APIClient, path: str) -> None:
    require_problem(reader.get(f"/api/v1/{path}"), 404, "not_found")


def test_without_a_token() -> None:
    response = APIClient().get("/api/v1/incidents/")
    require_problem(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"] == 'Bearer realm="casefile"'


def test_method_that_is_not_offered(reader: APIClient) -> None:
    response = reader.get("/api/v1/evidence/bundle.json")
    require_problem(response, 405, "method_not_allowed")
    assert "PUT" in response["Allow"]


def test_type_that_is_not_taken(poster: APIClient) -> None:
    response = poster.post("/api/v1/alerts/", "x", content_type="text/csv")
    require_problem(response, 415, "unsupported_media_type")


def test_type_that_is_not_given(reader: APIClient) -> None:
    response = reader.get("/api/v1/incidents/", HTTP_ACCEPT="image/png")
    require_problem(response, 406, "not_acceptable")


def test_body_that_is_not_json(editor: APIClient) -> None:
    from tests.factories import make_incident

    url = f"/api/v1/incidents/{make_incident().reference}/"
    response = editor.patch(url, b"{", content_type="application/json")
    require_problem(response, 400, "malformed_request")


def test_host_name_that_is_not_ours() -> None:
    response = Client().get("/api/v1/incidents/", HTTP_HOST="elsewhere.example")
    require_problem(response, 400, "malformed_request")


def test_page_outside_the_api_keeps_its_own_form() -> None:
    response = Client().get("/admin/", HTTP_HOST="elsewhere.example")
    assert response.status_code == 400
    assert response["Content-Type"].startswith("text/html")


class FailingView(APIView):
    """Raises what the test names; nothing of ours can be made to fail like that."""

    permission_classes = ()
    throttle_classes = ()

    def get(self, request: Request, name: str) -> Response:
        raise {
            "bug": KeyError("secret detail"),
            "database": OperationalError("connection refused to 10.0.0.1"),
            "refusal": CasefileError("That cannot be used"),
        }[name]


urlpatterns = [path("api/v1/failing/<str:name>/", FailingView.as_view())]


@override_settings(ROOT_URLCONF=__name__)
def test_fault_of_ours_is_logged_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = require_problem(
        APIClient().get("/api/v1/failing/bug/"), 500, "internal_error"
    )
    assert "secret detail" not in str(body)
    assert "request_id" in body
    assert "secret detail" in caplog.text


@override_settings(ROOT_URLCONF=__name__)
def test_database_that_does_not_answer_asks_to_come_back() -> None:
    response = APIClient().get("/api/v1/failing/database/")
    body = require_problem(response, 503, "unavailable")
    assert response["Retry-After"] == "5"
    assert "10.0.0.1" not in str(body)


@override_settings(ROOT_URLCONF=__name__)
def test_refusal_of_a_service_keeps_its_words() -> None:
    body = require_problem(APIClient().get("/api/v1/failing/refusal/"), 422, "refused")
    assert body["detail"] == "That cannot be used."
