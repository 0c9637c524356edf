"""Who may not see a case is answered as in a world in which there is no such case.

Whole answers are compared: rows, counts, links to further pages, headers. Nothing is
listed here: pages come from the routes, rows from the models.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from evidence.models import TokenScope
from incidents.models import Incident
from tests.api.conftest import make_client
from tests.incidents.restricted.telling import BOUND, find_hidden
from tests.incidents.restricted.worlds import (
    Question,
    answers_to,
    differences,
    forget_hidden,
)
from tests.pages import hostile

pytestmark = [pytest.mark.django_db, pytest.mark.walk]
OWN_OR_OUT = ("admin/login", "admin/logout", "admin/auth/user/factors")
"""They end a session, or show a key that is new each time."""


def questions_of_pages(person: User, case: Incident) -> Iterator[Question]:
    """Yield each page of no row, a search for a case, a hidden row and a shared one."""
    for path in hostile.list_routes("admin/"):
        if "<" not in path and not path.startswith(OWN_OR_OUT):
            yield Question(f"/{path}")
    for model in admin.site._registry:
        view = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        if model in BOUND:
            yield Question(f"{reverse(f'{view}_changelist')}?q={case.reference}")
        if row := find_hidden(model, person, case):
            yield Question(reverse(f"{view}_change", args=[row.row]))
        elif model not in BOUND:
            # What everybody shares may count cases, or name them.
            for key in model._default_manager.order_by("pk").values_list("pk")[:1]:
                yield Question(reverse(f"{view}_change", args=key))


def test_streams_that_cases_share_are_listed_by_what_is_seen_of_them(
    outsider: User,
) -> None:
    client = make_client(outsider, TokenScope.READ)
    questions = [Question("/api/v1/audit-streams/?page_size=500")]
    hidden = answers_to(client, questions)
    assert '"stream":"system"' in "".join(hidden.values())
    forget_hidden(outsider)
    missing = answers_to(client, questions)
    assert not (found := differences(hidden, missing)), "\n".join(found)


def test_no_page_is_otherwise_than_without_the_hidden_cases(
    everything: Incident, outsider: User
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(outsider)
    questions = list(questions_of_pages(outsider, everything))
    assert len(questions) > 100
    hidden = answers_to(client, questions)
    forget_hidden(outsider)
    missing = answers_to(client, questions)
    assert not (found := differences(hidden, missing)), "\n".join(found)
    assert sum(text.startswith("200") for text in hidden.values()) > 70
