"""Whoever asks for whatever, with whatever values: no answer is a server error.

Nothing is listed here. Pages come from the resolver, rows and filters from the admin's
registry, resources and their filters from the API's views: a new one is covered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from rest_framework.test import APIClient

from evidence.accounts.tokens import create_token
from evidence.models import TokenScope
from incidents.models import Incident
from tests.pages import hostile
from tests.pages.world import PEOPLE, empty_lists
from tests.suites import leave_slow

pytestmark = [pytest.mark.walk, pytest.mark.django_db]

Browse = Callable[[str], Client]
Asked = Iterator[tuple[str, int]]
NAMES = [role.value if role else "outsider" for role in PEOPLE]
ADMIN = [
    route
    for route in hostile.list_routes("admin/")
    # The catch-all, and the pages without which nobody stays signed in.
    if "(?P" not in route and "logout" not in route and "login" not in route
]
API = hostile.list_routes("api/")
# Who works the cases, and who may do nothing: as `make test` asks. Who may do most is
# asked beside it, and who else there is by `make slow`.
MARKS = {
    **dict.fromkeys(("responder", "outsider"), pytest.mark.essential),
    "root": pytest.mark.walk,
}
# Who reads and writes what root and a responder do: all are asked by `make slow`, and
# whether a page opens to whom it should by tests/access.
OF_OTHERS = ("reviewer", "administrator", "auditor")
METHODS = ("get", "head", "options", "post", "put", "patch", "delete", "trace")


def ask(client: Client, method: str, url: str, **sent: Any) -> int:
    """Return the status of a request; what it changed is taken back."""
    with transaction.atomic():
        status = int(getattr(client, method)(url, **sent).status_code)
        transaction.set_rollback(True)
    return status


def failures(asked: Asked) -> list[str]:
    return [f"{status} {url[:160]}" for url, status in asked if status >= 500]


def draw(is_wanted: bool) -> dict[str, str]:
    """Return the headers that tell WithoutRendering."""
    return {"X-Draw": "yes" if is_wanted else "no"}


def list_of(model: Any) -> str:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
    return reverse(name)


class WithoutRendering:
    """Middleware: answers with what the view worked out, and draws no page of it."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)

    def process_template_response(self, request: Any, response: Any) -> Any:
        if request.headers.get("X-Draw") != "yes":
            response.template_name = "400.html"
        return response


@pytest.mark.essential
def test_everything_with_a_page_has_a_row(everything: Incident) -> None:
    assert empty_lists() == []


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=MARKS.get(name, pytest.mark.slow))
        for name in (*NAMES, "root")
    ],
)
def test_every_page_opens_or_refuses(browse: Browse, name: str) -> None:
    client = browse(name)

    def asked() -> Asked:
        for route in ADMIN:
            is_button = {"name", "action"} & hostile.arguments_of(route)
            if not is_button:
                url = hostile.fill(route, hostile.real_values(route))
                yield url, ask(client, "get", url)
        for model in admin.site._registry:
            view = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
            for row in model._default_manager.order_by("pk")[:2]:
                url = reverse(view, args=[row.pk])
                yield url, ask(client, "get", url)

    assert failures(asked()) == []


def test_no_key_in_an_address_is_a_server_error(browse: Browse) -> None:
    client = browse("root")

    def asked() -> Asked:
        for route in ADMIN:
            if not hostile.arguments_of(route):
                continue
            for key in hostile.KEYS:
                url = hostile.fill(route, {"*": key, "form": "pdf"})
                for method in ("get", "post"):
                    yield f"{method} {url}", ask(client, method, url)

    assert failures(asked()) == []


@pytest.mark.parametrize(
    "model_admin",
    admin.site._registry.values(),
    ids=lambda model_admin: model_admin.opts.model_name,
)
def test_no_filter_of_a_list_is_a_server_error(
    browse: Browse, settings: Settings, model_admin: Any
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.WithoutRendering"]
    client, root = browse("root"), User.objects.get(username="root")
    url = list_of(model_admin.model)

    def asked() -> Asked:
        for name, is_drawn in hostile.list_parameters(model_admin, root).items():
            for value in hostile.IN_ADDRESSES:
                address = f"{url}?{name}={value}"
                drawn = draw(is_drawn and value is hostile.IN_ADDRESSES[-1])
                yield address, ask(client, "get", address, headers=drawn)

    assert failures(asked()) == []


@pytest.mark.parametrize(
    "model_admin",
    admin.site._registry.values(),
    ids=lambda model_admin: model_admin.opts.model_name,
)
def test_no_bulk_action_is_a_server_error(browse: Browse, model_admin: Any) -> None:
    client = browse("root")
    url = list_of(model_admin.model)
    rows = model_admin.model._default_manager.values_list("pk", flat=True)
    choices = [
        [],
        [str(pk) for pk in rows[:3]],
        *([value] for value in hostile.IN_FORMS),
    ]

    def asked() -> Asked:
        for action in (*(model_admin.actions or ()), "nothing"):
            for chosen in choices:
                sent = {"action": action, "_selected_action": chosen, "index": "0"}
                yield f"{url} {sent}", ask(client, "post", url, data=sent)

    assert failures(asked()) == []


def test_no_value_of_a_form_is_a_server_error(
    browse: Browse, settings: Settings
) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.WithoutRendering"]
    client = browse("root")

    def asked() -> Asked:
        for route in ADMIN:
            values = hostile.real_values(route)
            fields = fields_behind(client, route, values)
            for url in hostile.addresses(route, values):
                for value in hostile.IN_FORMS if fields else ():
                    sent = dict.fromkeys(fields, value)
                    drawn = draw(value is hostile.IN_FORMS[-1])
                    status = ask(client, "post", url, data=sent, headers=drawn)
                    yield f"{url} {value[:20]!r}", status

    assert failures(asked()) == []


def fields_behind(client: Client, route: str, values: dict[str, str]) -> set[str]:
    """Return the fields of a route's page, or of the page that its buttons are on."""
    page = hostile.fill(route.split("/do/")[0] + "/change/", values)
    with transaction.atomic():
        url = page if "/do/" in route else hostile.fill(route, values)
        response = client.get(url, headers=draw(True))
        transaction.set_rollback(True)
    if response.streaming or "html" not in response.get("Content-Type", ""):
        return set()
    return hostile.fields_in(response.content.decode())


def parameters_of_lists() -> Iterator[tuple[str, str]]:
    """Yield each list of the API with each of its parameters."""
    for route in API:
        if not hostile.arguments_of(route) and route != "api/v1/":
            for name in hostile.resource_parameters(route):
                yield route, name


def test_no_filter_of_the_api_is_a_server_error(browse: Browse) -> None:
    client = browse("root")

    def asked() -> Asked:
        for number, (route, name) in enumerate(parameters_of_lists()):
            # Each parameter meets a third of them, and all of them many parameters.
            values = (*hostile.IN_ADDRESSES, f"a&{name}=b&{name}[]=c")
            for value in values[number % 3 :: 3]:
                url = f"/{route}?{name}={value}"
                yield url, ask(client, "get", url)

    assert failures(asked()) == []


@pytest.mark.parametrize(
    "name",
    leave_slow((*NAMES, "root"), *OF_OTHERS),
)
def test_no_method_of_the_api_is_a_server_error(browse: Browse, name: str) -> None:
    session, token = browse(name), token_client(name)
    # What differs by role is who may read and who may write; the rest is root's to try.
    methods = METHODS if name == "root" else ("get", "post", "patch")

    def asked() -> Asked:
        for route in API:
            url = hostile.fill(route, {"*": "1", "reference": "SEC-INC-2026-0001"})
            yield f"options {url}", ask(session, "options", url)
            for method in methods:
                yield f"{method} {url}", ask(token, method, url)

    assert failures(asked()) == []


def test_no_body_sent_to_the_api_is_a_server_error(everything: Incident) -> None:
    client = token_client("root")

    def asked() -> Asked:
        for route in API:
            url = hostile.fill(route, {"*": "1", "reference": "SEC-INC-2026-0001"})
            for method in ("post", "put", "patch"):
                if ask(client, method, url) == 405:
                    continue
                for body in hostile.BODIES:
                    sent = {"data": body, "content_type": "application/json"}
                    status = ask(client, method, url, **sent)
                    yield f"{method} {url} {body[:9]!r}", status

    assert failures(asked()) == []


def token_client(name: str) -> APIClient:
    """Return a client with a token of every scope."""
    _, secret = create_token(
        user=User.objects.get(username=name),
        name="a test",
        scopes=list(TokenScope),
        days=1,
        actor=None,
    )
    client = APIClient(raise_request_exception=False)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client
