"""Who only reads does so under a database role that cannot write: every page and route.

The routes come from the resolver, so that a new one is covered.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from config.reading import OWN_ACCOUNT
from evidence.accounts.reading import READING_SCOPES, only_reads
from evidence.accounts.tokens import create_token, usable_scopes
from evidence.database.reading import own
from incidents.models import Incident
from tests.pages import hostile

pytestmark = pytest.mark.django_db

READER = django_settings.DATABASE_READ_ROLE
TABLE = re.compile(r'\b(?:FROM|JOIN|INTO|UPDATE) "?(\w+)"?')
COMING_IN = {
    "django_session",
    "auth_user",
    "auth_group",
    "auth_permission",
    "auth_group_permissions",
    "auth_user_groups",
    "auth_user_user_permissions",
    "django_content_type",
    "evidence_readersettings",
    "evidence_apitoken",
}
"""What is read, and noted, before it is known that a request only reads: who asks."""
ADMIN = [
    route
    for route in hostile.list_routes("admin/")
    if "(?P" not in route and not f"/{route}".startswith(OWN_ACCOUNT)
]
API = [route for route in hostile.list_routes("api/") if route != "api/v1/"]


class Statements:
    """What was sent to the database, by the role that it ran under."""

    def __init__(self) -> None:
        self.of: dict[str, list[str]] = defaultdict(list)
        self.purposes: set[str] = set()

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: Any,
        context: Any,
    ) -> Any:
        asked = connection.connection.execute("SELECT current_user").fetchone()
        if own().writes_for:
            self.purposes.add(own().writes_for)
        else:
            self.of[asked[0]].append(str(sql))
        return execute(sql, params, many, context)

    def beside(self) -> list[str]:
        """Return what ran under another role, and is not about who asks."""
        others = [
            sql for role, found in self.of.items() if role != READER for sql in found
        ]
        return [sql for sql in others if not COMING_IN.issuperset(TABLE.findall(sql))]


@contextmanager
def watched() -> Iterator[Statements]:
    statements = Statements()
    with connection.execute_wrapper(statements):
        yield statements


def ask(client: Client, url: str) -> tuple[int, Statements]:
    """Ask for a page or a stream, to its end; what it changed is taken back."""
    with transaction.atomic(), watched() as statements:
        response = client.get(url)
        if response.streaming:
            list(response)
        transaction.set_rollback(True)
    return response.status_code, statements


def read_as_reader(client: Client, urls: list[str]) -> None:
    """Ask for all of it; nothing may fail, write, or be read under another role."""
    faults, opened = [], 0
    for url in urls:
        status, statements = ask(client, url)
        if status >= 500:
            faults.append(f"{status} {url}")
        faults += [f"{url}: {sql[:200]}" for sql in statements.beside()]
        opened += status == 200 and bool(statements.of[READER])
    assert faults == []
    assert opened > len(urls) / 3
    assert connection.connection.execute("SELECT current_user").fetchone() != (READER,)


@pytest.mark.walk
def test_every_page_is_read_under_the_reading_role(browse: Callable[..., Any]) -> None:
    urls = [
        hostile.fill(route, hostile.real_values(route))
        for route in ADMIN
        if not {"name", "action"} & hostile.arguments_of(route)
    ]
    for model in admin.site._registry:
        view = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        rows = model._default_manager.order_by("pk")[:2]
        urls += [reverse(view, args=[row.pk]) for row in rows]
    urls = [url for url in urls if not url.startswith(OWN_ACCOUNT)]
    read_as_reader(browse("auditor"), urls)


@pytest.mark.walk
@pytest.mark.parametrize("by", ["token", "session"])
def test_every_route_is_read_under_the_reading_role(
    browse: Callable[..., Any], by: str
) -> None:
    client = token_client("auditor") if by == "token" else browse("auditor")
    case = Incident.objects.order_by("pk").values_list("pk", flat=True)[0]
    values = {"*": "1", "reference": "SEC-INC-2026-0001", "incident_id": str(case)}
    urls = [hostile.fill(route, values) for route in API]
    lists = [url for url in urls if url.endswith("s/") and "/1/" not in url]
    read_as_reader(client, [*urls, *(f"{url}?format=ndjson" for url in lists)])


@pytest.mark.walk
def test_lists_of_changes_are_read_under_the_reading_role(
    browse: Callable[..., Any],
) -> None:
    """They need the number of each row's transaction, of views without secrets too."""
    client = token_client("auditor")
    lists = [f"/{route}" for route in API if not hostile.arguments_of(route)]
    horizon = client.get("/api/v1/incidents/?modified_since=").json()["as_of"]
    urls = [f"{url}?modified_since={horizon}" for url in lists]
    for url in urls:
        status, statements = ask(client, url)
        assert status < 500, url
        assert statements.beside() == []


@pytest.mark.walk
@pytest.mark.parametrize("scope", sorted(READING_SCOPES), ids=lambda scope: scope.value)
def test_token_that_only_reads_does_so_whoever_has_it(
    everything: Incident, scope: str
) -> None:
    client = token_client("reviewer", [scope])
    _, statements = ask(client, "/api/v1/incidents/")
    assert statements.beside() == []


def test_who_may_work_does_not_read_under_it(everything: Incident) -> None:
    client = Client()
    client.force_login(User.objects.get(username="responder"))
    status, statements = ask(client, "/admin/incidents/incident/")
    assert status == 200
    assert READER not in statements.of


@pytest.mark.parametrize("name", ["auditor", "outsider"])
def test_who_can_change_nothing_only_reads(everything: Incident, name: str) -> None:
    assert only_reads(User.objects.get(username=name))


@pytest.mark.parametrize("name", ["responder", "reviewer", "administrator", "machine"])
def test_who_can_change_something_does_not_only_read(
    everything: Incident, name: str
) -> None:
    assert not only_reads(User.objects.get(username=name))


def token_client(name: str, scopes: list[str] | None = None) -> APIClient:
    person = User.objects.get(username=name)
    _, secret = create_token(
        user=person,
        name="a test",
        scopes=scopes or usable_scopes(person),
        days=1,
        actor=None,
    )
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client
