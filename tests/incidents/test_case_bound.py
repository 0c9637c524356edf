"""Whatever leads to a case is guarded: a model, a list of the admin or of the API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models
from django.test import RequestFactory
from django.urls import get_resolver

from evidence.accounts.access import Role
from evidence.models import AuditEntry, NotedHead, RecordedRow, StoreCheck
from evidence.models.case_bound import (
    CaseBound,
    CaseBoundManager,
    Viewer,
    looked_at_by,
    shown,
)
from incidents.models import Incident, Team
from tests.factories import make_incident, make_user

OURS = ("evidence", "policy", "incidents")
LONGEST_PATH = 6
NOT_BOUND = {
    "policy.Extension": "of the installation; cases are only counted with it",
    "policy.ExtensionVersion": "of the installation",
    "incidents.Playbook": "of the installation",
    "incidents.PlaybookVersion": "of the installation",
    "incidents.Team": "people; which cases are theirs is asked of the cases",
}


def looking(person: User) -> Any:
    return looked_at_by(Viewer(lambda: person))


def our_models() -> list[Any]:
    return [model for model in apps.get_models() if model._meta.app_label in OURS]


def paths_of(model: Any, depth: int = LONGEST_PATH) -> Iterator[str]:
    """Yield every chain of foreign keys from a model to a case."""
    if model is Incident:
        yield ""
    if not depth or model is Incident:
        return
    for field in model._meta.concrete_fields:
        if field.is_relation and field.related_model is not model:
            for rest in paths_of(field.related_model, depth - 1):
                yield f"{field.name}__{rest}".removesuffix("__")


def test_every_model_that_leads_to_a_case_is_bound_to_it() -> None:
    bound = {model for model in our_models() if issubclass(model, CaseBound)}
    leading = {model for model in our_models() if any(paths_of(model))} | {Incident}
    assert {model._meta.label for model in leading - bound} == set()
    named = {AuditEntry, NotedHead, RecordedRow, StoreCheck}
    assert bound - leading == named, "these name cases and do not point at them"
    assert not {model._meta.label for model in bound} & set(NOT_BOUND)


@pytest.mark.parametrize(
    "model",
    [model for model in our_models() if issubclass(model, CaseBound)],
    ids=lambda model: model._meta.label,
)
def test_a_bound_model_shows_its_rows_through_the_guard(model: Any) -> None:
    assert isinstance(model._default_manager, CaseBoundManager)
    assert type(model._base_manager) is models.Manager
    found = set(paths_of(model)) - {""}
    for path in model.case_paths:
        assert path == "pk" or path in found
    # An own case is named first: what a row belongs to is never left out.
    if found:
        assert model.case_paths[0] in found


@pytest.fixture
def outsider(db: None) -> User:
    """Return somebody from whom a case is hidden, so that guards show in SQL."""
    incident = make_incident()
    Incident.everything.filter(pk=incident.pk).update(is_restricted=True)
    return make_user(Role.REVIEWER, "stranger")


def test_every_list_of_the_admin_is_guarded(outsider: User) -> None:
    request = RequestFactory().get("/")
    request.user = outsider
    open_lists = []
    with looking(outsider):
        for model, model_admin in admin.site._registry.items():
            if not issubclass(model, CaseBound):
                continue
            rows = model_admin.get_queryset(request)
            if not rows.query.is_empty() and "is_restricted" not in str(rows.query):
                open_lists.append(model._meta.label)
    assert open_lists == []


def test_every_list_of_the_api_is_guarded(outsider: User) -> None:
    found = 0
    with looking(outsider):
        for view in _views(get_resolver().url_patterns):
            rows = getattr(view, "queryset", None)
            if rows is None or not issubclass(rows.model, CaseBound):
                continue
            found += 1
            assert "is_restricted" in str(shown(rows.all()).query), view
    assert found > 40


def test_nothing_is_asked_of_each_query_where_nothing_is_hidden(
    db: None, django_assert_num_queries: Any
) -> None:
    """One query finds out, and then every list is as it was."""
    make_incident()
    person = make_user(Role.RESPONDER)
    with looking(person):
        with django_assert_num_queries(3):
            assert len(Incident.objects.all()) == 1
            assert len(AuditEntry.objects.all()) > 0
        assert "NOT EXISTS" not in str(Incident.objects.all().query).upper()


def test_hidden_cases_are_found_by_an_index(outsider: User) -> None:
    hidden, *_ = Incident.everything.hidden_from(outsider)
    assert "incident_restricted" in {index.name for index in Incident._meta.indexes}
    assert str(hidden.query).count("is_restricted") >= 1


def test_a_team_that_sees_only_its_own_hides_the_others(db: None) -> None:
    own = Team.objects.create(name="Night", sees_only_own_cases=True)
    person = make_user(Role.RESPONDER, "bound")
    own.members.add(person)
    theirs = make_incident(team=own)
    make_incident(team=Team.objects.create(name="Day"))
    led, opened = make_incident(lead=person), make_incident(actor=person)
    make_incident()
    seen = Incident.objects.visible_to(person)
    assert set(seen) == {theirs, led, opened}


def _views(patterns: list[Any]) -> Iterator[Any]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _views(pattern.url_patterns)
        elif hasattr(pattern.callback, "cls"):
            yield pattern.callback.cls
