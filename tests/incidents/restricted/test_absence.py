"""A hidden case is nowhere for others: every route, every list, every choice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evidence.accounts.access import Role
from incidents.models import Incident
from tests.incidents.restricted.canaries import (
    canaries_for,
    case_bound_models,
    found_in,
    hidden_rows,
)
from tests.incidents.restricted.conftest import HIDDEN_FROM, WAYS, stranger
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
Browse = Callable[[User], Client]
Hide = Callable[[User], None]
UNKNOWN = 10**15
BOUND = set(case_bound_models())
ADMIN = [
    route
    for route in hostile.list_routes("admin/")
    if "(?P" not in route and "logout" not in route and "login" not in route
]


def leaks(asked: Iterator[tuple[str, Any]], canaries: dict[str, str]) -> list[str]:
    return [
        f"{url[:120]} tells {sorted(found)[:4]}"
        for url, response in asked
        if (found := found_in(response, canaries, but=url))
    ]


@pytest.mark.parametrize(("role", "hide"), HIDDEN_FROM)
def test_no_page_tells_of_a_hidden_case(
    hidden: Incident, browse: Browse, role: Role, hide: Hide
) -> None:
    person = stranger(role)
    hide(person)
    client, canaries = browse(person), canaries_for(person)
    assert len(canaries) > 200

    def asked() -> Iterator[tuple[str, Any]]:
        for route in ADMIN:
            for url in hostile.addresses(route, hostile.real_values(route)):
                yield url, client.get(url)
        for model in admin.site._registry:
            view = f"admin:{model._meta.app_label}_{model._meta.model_name}"
            if model not in BOUND:
                continue
            for word in ("e", hidden.reference):
                url = f"{reverse(f'{view}_changelist')}?q={word}"
                yield url, client.get(url)

    assert not (told := leaks(asked(), canaries)), "\n".join(told)
    assert hidden_rows(Incident, person).count() > 3


@pytest.mark.parametrize("hide", WAYS)
def test_a_hidden_row_is_as_one_that_is_not_there(
    hidden: Incident, browse: Browse, hide: Hide
) -> None:
    person = stranger(Role.REVIEWER)
    hide(person)
    client = browse(person)
    different = []
    for model in set(admin.site._registry) & set(case_bound_models()):
        view = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        for row in hidden_rows(model, person)[:2]:
            real, made_up = (
                client.get(reverse(view, args=[pk])) for pk in (row.pk, UNKNOWN)
            )
            if said(real, row.pk) != said(made_up, UNKNOWN):
                statuses = f"{real.status_code}, {made_up.status_code}"
                different.append(f"{model._meta.label}: {statuses}")
    assert not different, "\n".join(different)


def said(response: Any, pk: int) -> tuple[int, str]:
    """Return an answer without its key, and without what is new each time."""
    assert response.status_code != HTTPStatus.TOO_MANY_REQUESTS
    text = response.content.decode()
    for new in (r'nonce="[^"]*"', r'value="[\w-]{32,}"', r"[\da-f-]{36}"):
        text = re.sub(new, "", text)
    for named in (f"/{pk}/", f"“{pk}”", f"%2F{pk}%2F"):
        text = text.replace(named, "")
    return response.status_code, text
