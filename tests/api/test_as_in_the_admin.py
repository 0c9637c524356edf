"""Lists of the API are narrowed by what the admin's lists are narrowed by."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.test import APIClient

from evidence.models import EvidenceItem
from incidents.models import IncidentPhase
from tests.access.routes import all_routes
from tests.factories import make_evidence, make_incident
from tests.incidents.alerts.samples import make_rules, receive_one

pytestmark = pytest.mark.django_db
END = re.compile(r"(_(from|to)_[01]|__(id__)?exact|__isnull|__icontains|__gte|__lt)$")
SAID_OTHERWISE = {
    ("evidence.EvidenceItem", "integrity"): {"outcome", "is_verified"},
    ("evidence.StoreFault", "standing"): {"has_ended"},
    ("policy.KillSwitch", "state"): {"state"},
    ("incidents.ActionItem", "mine"): {"owner"},
    ("incidents.ActionItem", "overdue"): {"state", "due_before"},
    ("incidents.Alert", "case"): {"has_incident", "decision"},
    ("incidents.Alert", "extension__extension_id"): {"extension"},
    ("incidents.Incident", "age"): {"detected_after", "detected_before"},
    ("incidents.Incident", "breached"): {"is_breached"},
    ("incidents.Incident", "detected"): {"detected_after", "detected_before"},
    ("incidents.Incident", "mine"): {"lead"},
    ("incidents.Incident", "playbook_version__playbook"): {"playbook"},
    ("incidents.Incident", "unverified"): {"is_unverified"},
    ("incidents.Notification", "channel"): {"has_webhook"},
    ("incidents.Postmortem", "cycle__incident__severity"): {"severity"},
}
"""What the API calls by another name, and what two of its filters say together."""
ELSEWHERE = {("incidents.Incident", "phase_time"): "phases/ with phase and is_breached"}
NO_RECORD = {"auth.User", "auth.Group"}
"""Accounts and roles, and what axes keeps of sign-ins, are in the admin alone."""


def lists_of(model: Any) -> Iterator[Any]:
    """Yield the API's lists of a model's rows."""
    for path, route in all_routes().items():
        is_list = route.is_api and "list" in route.actions.values()
        if is_list and "<" not in path and route.resource.queryset.model is model:
            yield route.resource


def recorded_lists() -> Iterator[tuple[Any, Any]]:
    """Yield each model whose rows the API has too, and its list in the admin."""
    for model, model_admin in admin.site._registry.items():
        label = model._meta.label
        if label not in NO_RECORD and not label.startswith("axes."):
            yield model, model_admin


def changes_of(model_admin: Any) -> Any:
    """Return an admin's list as an administrator sees it, and how it is asked for."""
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="root")
    return model_admin.get_changelist_instance(request), request


def narrowed_by(model_admin: Any) -> set[str]:
    """Return what an admin's list is narrowed by, without the ends of look-ups."""
    changes, request = changes_of(model_admin)
    specs = changes.get_filters(request)[0]
    named = {name for spec in specs for name in spec.expected_parameters()}
    return {END.sub("", name) for name in named}


def names_for(label: str, name: str) -> set[str]:
    stem = name.removesuffix("_at")
    is_moment = name.endswith("_at")
    plain = {f"{stem}_after", f"{stem}_before"} if is_moment else {name}
    return SAID_OTHERWISE.get((label, name), plain)


def test_every_filter_of_the_admin_is_one_of_the_api() -> None:
    User.objects.create_superuser("root", "root@example.org", "unguessed")
    tried, missing = 0, []
    for model, model_admin in recorded_lists():
        label = model._meta.label
        resources = list(lists_of(model))
        assert resources, f"The API has no list of {label}"
        for name in narrowed_by(model_admin):
            tried += 1
            filtersets = [each.filterset_class.base_filters for each in resources]
            is_there = any(names_for(label, name) <= {*each} for each in filtersets)
            if not is_there and (label, name) not in ELSEWHERE:
                missing.append(f"{label}: {name}")
    assert missing == []
    assert tried > 50


def test_cases_are_narrowed_by_their_clocks_and_their_evidence(
    reader: APIClient,
) -> None:
    late, unverified, plain = (make_incident() for _ in range(3))
    phases = IncidentPhase.objects.filter(completed_at=None)
    phases = phases.exclude(cycle__incident=late)
    phases.update(due_at=timezone.now() + dt.timedelta(days=1))
    item = make_evidence(unverified, verified=False)

    def found(query: str) -> set[str]:
        rows = reader.get(f"/api/v1/incidents/?{query}").json()["results"]
        return {row["reference"] for row in rows}

    assert found("is_breached=true") == {late.reference}
    assert found("is_breached=false") == {unverified.reference, plain.reference}
    assert found("is_unverified=true") == {unverified.reference}
    assert found("is_unverified=false") == {late.reference, plain.reference}
    items = reader.get("/api/v1/evidence/?is_verified=false").json()["results"]
    assert [row["id"] for row in items] == [item.pk]
    assert EvidenceItem.objects.get(pk=item.pk).latest_outcome is None


COUNTED = {
    ("evidence.AuditEntry", "sequence"),
    ("policy.Extension", "open_count"),
}
"""What stands in no column: it is counted for the page."""


def sorted_by(model_admin: Any) -> Iterator[str]:
    """Yield what an admin's list is sorted by, as the API names it."""
    changes, _ = changes_of(model_admin)
    for column in changes.list_display:
        found = changes.get_ordering_field(column)
        name = str(getattr(found, "name", found)) if found else ""
        if name:
            path = name.removeprefix("cycle__").split("__")
            yield path[0]


def test_every_order_of_the_admin_is_one_of_the_api() -> None:
    User.objects.create_superuser("root", "root@example.org", "unguessed")
    tried, missing = 0, []
    for model, model_admin in recorded_lists():
        label = model._meta.label
        names = {
            name
            for each in lists_of(model)
            for name in (*each.ordering_fields, *each.also_ordered_by)
        }
        for name in sorted_by(model_admin):
            tried += 1
            if name not in names and (label, name) not in COUNTED:
                missing.append(f"{label}: {name}")
    assert missing == [], "\n".join(missing)
    assert tried > 120


@pytest.mark.parametrize("ordering", ["incident", "-incident", "category", "-decision"])
def test_pages_by_any_column_have_every_row_once_and_in_order(
    reader: APIClient, ordering: str
) -> None:
    """Rows without a value come last, and first in the opposite direction."""
    make_rules()
    first = [receive_one(f"alert-{number}") for number in range(3)]
    receive_one("alert-x", severity="info", category="something_else")
    assert {alert.incident_id for alert in first} != {None}
    name, url = ordering.lstrip("-"), f"/api/v1/alerts/?ordering={ordering}&page_size=1"
    rows = []
    while url:
        page = reader.get(url).json()
        rows += page["results"]
        back, url = page["previous"], page["next"]
        if back:
            assert reader.get(back).json()["results"] == rows[-2:-1]
    assert len({row["id"] for row in rows}) == len(rows) == 4
    keys = [(row[name] is None, row[name] or "", row["id"]) for row in rows]
    assert keys == sorted(keys, reverse=ordering.startswith("-"))


def test_a_stream_is_ordered_by_what_an_index_has(reader: APIClient) -> None:
    refused = reader.get("/api/v1/alerts/?ordering=category&format=ndjson")
    assert refused.status_code == 400
    assert "id, happened_at, received_at" in refused.json()["errors"][0]["detail"]


@pytest.mark.walk
def test_every_order_of_every_list_is_answered(
    reader: APIClient, settings: Any
) -> None:
    settings.API_RATES_PER_MINUTE = dict.fromkeys(settings.API_RATES_PER_MINUTE, 10**6)
    tried = 0
    for path, route in all_routes().items():
        is_list = route.is_api and "list" in route.actions.values()
        if is_list and "<" not in path:
            for name in route.resource.also_ordered_by:
                answer = reader.get(f"/{path}?page_size=1&ordering=-{name}")
                assert answer.status_code == 200, (path, name)
                tried += 1
    assert tried > 100
