"""The OpenAPI document: complete, without a warning, and true to what is answered."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
import schemathesis
import yaml
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

from evidence.accounts.tokens import create_token
from evidence.models import TokenScope
from tests.api.fuzzing import SCHEMA, find_faults
from tests.incidents.alerts.samples import make_rules, receive_one
from tests.work import count_calls

pytestmark = pytest.mark.long


def read_schema(client: APIClient) -> dict[str, Any]:
    response = client.get(SCHEMA, HTTP_ACCEPT="application/vnd.oai.openapi+json")
    assert response.status_code == 200
    return response.json()


def test_schema_is_made_without_a_warning() -> None:
    output = StringIO()
    call_command(
        "spectacular",
        "--fail-on-warn",
        "--format",
        "openapi-json",
        stdout=output,
    )
    assert '"openapi"' in output.getvalue()


def test_every_operation_documents_its_problems(reader: APIClient) -> None:
    paths = read_schema(reader)["paths"]
    operations = [
        (path, method, operation)
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]
    assert len(operations) > 25
    for path, method, operation in operations:
        expected = {"400", "401", "403", "404", "429", "500", "503"}
        assert expected <= set(operation["responses"]), (method, path)
        content = operation["responses"]["403"]["content"]
        assert list(content) == ["application/problem+json"]
        assert operation["security"] == [{"apiToken": []}, {"cookieAuth": []}]
        assert operation.get("description"), (method, path)


def test_document_is_made_once_however_often_it_is_read(reader: APIClient) -> None:
    accepted = ("*/*", "application/vnd.oai.openapi+json")
    first = [reader.get(SCHEMA, HTTP_ACCEPT=accept) for accept in accepted]
    assert first[0].content.startswith(b"openapi: 3.1.0\n")
    assert first[0]["Content-Type"] == "application/vnd.oai.openapi; charset=utf-8"
    assert first[1]["Content-Type"] == "application/vnd.oai.openapi+json"
    with count_calls(SchemaGenerator.get_schema, yaml.dump) as calls:
        for accept, before in zip(accepted, first, strict=True):
            again = reader.get(f"{SCHEMA}?lang=de&version=9", HTTP_ACCEPT=accept)
            assert again.content == before.content
    assert calls == {"get_schema": 0, "dump": 0}


def test_schema_is_for_those_who_signed_in(db: None) -> None:
    assert APIClient().get(SCHEMA).status_code == 401


def test_documentation_page_asks_to_sign_in(db: None) -> None:
    response = Client().get("/api/v1/docs/")
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_documentation_page_comes_from_here_and_has_no_inline_script(
    responder: User,
) -> None:
    client = Client()
    client.force_login(responder)
    response = client.get("/api/v1/docs/")
    page = response.content.decode()
    assert "http://" not in page
    assert "https://" not in page
    assert "<script>" not in page
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-eval" not in policy
    script = client.get("/api/v1/docs/?script")
    assert script.status_code == 200


@pytest.fixture
def api_schema(db: None, same_connection: None, settings: Any) -> Any:
    """The schema as it is served, to somebody who may do everything there is."""
    settings.API_RATES_PER_MINUTE = dict.fromkeys(
        ("read", "write", "evidence", "alerts"), 10**6
    )
    make_rules()
    receive_one()
    user = User.objects.create_user("everything")
    user.groups.set(Group.objects.all())
    _, secret = create_token(
        user=user, name="x", scopes=TokenScope.values, days=1, actor=None
    )
    return schemathesis.openapi.from_wsgi(
        SCHEMA, get_wsgi_application(), headers={"Authorization": f"Bearer {secret}"}
    )


@pytest.mark.slow
def test_whatever_is_sent_is_answered_as_documented(api_schema: Any) -> None:
    assert not find_faults(api_schema, examples=20)


@pytest.mark.django_db
def test_a_refusal_of_the_schema_is_a_problem_in_json(reader: APIClient) -> None:
    refused = reader.post("/api/v1/schema/")
    assert refused.status_code == 405
    assert refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "method_not_allowed"
    assert "RateLimit-Remaining" in refused
