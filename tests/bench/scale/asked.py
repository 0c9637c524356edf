"""What is asked: nothing is listed here, so that a new list is asked by itself.

Lists, their filters, columns, searches and pages come from the admin's registry; pages
and resources from the resolver; a case's tabs from the case page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import FieldError
from django.test import RequestFactory
from django.urls import resolve, reverse

import config.urls  # noqa: F401  (the pages)
from evidence.admin.long_lists import AFTER_VAR, COUNTED, place_of
from evidence.models import EvidenceItem, VerificationReport
from incidents.admin.cockpit import TABS
from incidents.models import Incident
from incidents.workflow.incident_states import IncidentStatus
from policy.models import ScanReport
from tests.access.asking import address, row_of
from tests.access.routes import Route, all_routes
from tests.pages import hostile

CHOICES_OF_A_FILTER = 3
PAGE = 100
FAR = 90
"""Where the far page of a list is: after so many of a hundred of its rows."""
NOWHERE = "zzqx"
"""A word that stands nowhere: the search that has to look at everything."""
SKIPPED = ("logout", "login", "autocomplete", "jsi18n", "(?P", "/do/", "export_pk")
"""Pages without rows, and such as nobody stays signed in with."""


@dataclass(frozen=True)
class Question:
    """An address, what it stands for, and whether a token asks instead of a person."""

    subject: str
    kind: str
    url: str
    by_token: bool = False

    @property
    def is_of_roles(self) -> bool:
        """Tell whether each role asks it: filters and orders narrow the same rows."""
        return not self.kind.startswith(("filter", "order"))

    @property
    def name(self) -> str:
        return f"{self.subject}: {self.kind}"


def all_questions() -> Iterator[Question]:
    """Yield everything that is asked, as somebody who sees all rows would ask it."""
    case = choose_case()
    yield from list_pages(case)
    yield from tabs(case)
    yield from _other_pages(case)
    yield from _resources(case)


def list_pages(case: Incident) -> Iterator[Question]:
    """Yield the pages of every list of the admin."""
    root = User.objects.get(username="root")
    for model_admin in admin.site._registry.values():
        yield from _of_list(model_admin, root, case)


def _of_list(model_admin: Any, user: User, case: Incident) -> Iterator[Question]:
    """Yield a list's first page, filters, orders, searches and further pages."""
    meta = model_admin.model._meta
    subject = f"list {meta.label_lower}"
    url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
    request = RequestFactory().get(url)
    request.user = user
    changes = model_admin.get_changelist_instance(request)
    yield Question(subject, "first page", url)
    if changes.paginator.num_pages < 2:
        return  # there is too little of it for a filter or an order to matter
    for spec in changes.get_filters(request)[0]:
        chosen = [
            choice for choice in spec.choices(changes) if not choice.get("selected")
        ]
        for place, choice in enumerate(chosen[:CHOICES_OF_A_FILTER], start=1):
            query = choice.get("query_string", "")
            if query.strip("?"):
                yield Question(subject, f"filter {spec.title} {place}", url + query)
    for place, column in enumerate(changes.list_display):
        if changes.get_ordering_field(column):
            yield Question(subject, f"order {column}", f"{url}?o={place}")
            yield Question(subject, f"order -{column}", f"{url}?o=-{place}")
    if changes.search_fields:
        for kind, word in (("nothing", NOWHERE), ("a case", case.reference)):
            yield Question(subject, f"search {kind}", f"{url}?q={quote(word)}")
        yield Question(subject, "search much", f"{url}?q=weather")
    pages = changes.paginator.num_pages
    yield Question(subject, "second page", f"{url}?p=2")
    yield Question(subject, "last counted page", f"{url}?p={pages}")
    far = changes.queryset.count() * FAR // 100
    if far >= COUNTED:
        place = place_of(changes.queryset, changes.queryset[far])
        yield Question(subject, "far page", f"{url}?{AFTER_VAR}={place}")


def tabs(case: Incident) -> Iterator[Question]:
    """Yield the tabs of a case whose evidence was verified, in the middle of many."""
    for tab in TABS:
        url = reverse("admin:incidents_incident_change", args=[case.pk])
        yield Question("case", f"tab {tab.key}", f"{url}?tab={tab.key}")


def _other_pages(case: Incident) -> Iterator[Question]:
    """Yield every page of the admin that is no list: with a row, where it is of one."""
    lists = {
        reverse(f"admin:{m._meta.app_label}_{m._meta.model_name}_changelist")
        for m in admin.site._registry
    }
    for route in hostile.list_routes("admin/"):
        if any(part in route for part in SKIPPED):
            continue
        url = _address(route, case)
        if url not in lists and not url.endswith(("/add/", "/delete/")):
            yield Question("page", route.removeprefix("admin/") or "dashboard", url)
    for url in ("/metrics", "/readyz"):
        yield Question("service", url, url)


def _resources(case: Incident) -> Iterator[Question]:
    """Yield every resource that is read: in each order and narrowed by each field."""
    for path, route in all_routes().items():
        if not path.startswith("api/") or "get" not in route.actions:
            continue
        url = _address(path, case)
        yield Question("API", path.removeprefix("api/v1/"), url, by_token=True)
        if route.actions.get("get") != "list" or "<" in path or _is_short(route):
            continue
        view = resolve(url).func.cls  # type: ignore[attr-defined]
        subject = f"API {path.removeprefix('api/v1/')}"
        for field in getattr(view, "ordering_fields", ()):
            for order in (field, f"-{field}"):
                yield Question(
                    subject, f"order {order}", f"{url}?ordering={order}", True
                )
        for name, value in _narrowed(view, case):
            yield Question(subject, f"filter {name}", f"{url}?{name}={value}", True)


def _model_of(route: Route) -> Any:
    """Return the model whose rows a resource lists; None where it lists none."""
    return getattr(getattr(route.resource, "queryset", None), "model", None)


def _is_short(route: Route) -> bool:
    """Tell whether a resource has less than a page: nothing of it grows."""
    model = _model_of(route)
    return model is None or model._base_manager.all()[:PAGE].count() < PAGE


def _narrowed(view: Any, case: Incident) -> Iterator[tuple[str, str]]:
    """Yield each filter with the value that the newest row has, or a likely one."""
    filterset = getattr(view, "filterset_class", None)
    for name, field in (filterset.base_filters if filterset else {}).items():
        choices = [key for key, _ in field.extra.get("choices", ()) if key]
        if choices:
            yield name, quote(str(choices[0]))
        elif "sha256" in name:
            yield name, EvidenceItem.objects.latest("pk").sha256_hex
        elif name in ("incident", "case", "reference"):
            yield name, case.reference
        elif "after" in name or "since" in name or name.endswith(("_gte", "_gt")):
            yield name, "2026-01-01T00:00:00Z"
        elif "before" in name or "until" in name or name.endswith(("_lte", "_lt")):
            yield name, "2024-06-01T00:00:00Z"
        elif name in ("stream",):
            yield name, f"incident:{case.pk}"
        elif name in ("q", "search"):
            yield name, NOWHERE
        else:
            yield name, _value_of(view, field.field_name or name)


def _value_of(view: Any, field: str) -> str:
    """Return what the newest row of a resource has in a field; else a number."""
    model = getattr(getattr(view, "queryset", None), "model", None)
    if model is None:
        return "1"
    try:
        found = model._base_manager.order_by("-pk").values_list(field, flat=True)[:1]
        return quote(str(next(iter(found), "1")))
    except (FieldError, ValueError):  # an annotation, or a filter by a method
        return "1"


def choose_case() -> Incident:
    """Return an open case from the middle of all of them."""
    rows = Incident.everything.filter(status=IncidentStatus.OPEN, is_restricted=False)
    return rows.filter(evidence_items__reports__isnull=False).order_by("pk")[
        rows.count() // 2
    ]


def _address(path: str, case: Incident) -> str:
    """Return a route's address, of rows of the chosen case where there are such."""
    if not path.startswith("api/"):
        return address(path, case)
    model = _model_of(all_routes()[path])
    row = None if model is None else row_of(model, case)
    of_parent = {"report_pk": row_of(VerificationReport, case).pk}
    if path.startswith("api/v1/scans/"):
        of_parent = {"report_pk": row_of(ScanReport, case).pk}
    values = {name: str(value) for name, value in of_parent.items()}
    values |= {"*": str(row.pk if row else 1), "reference": case.reference}
    return hostile.fill(path, values)
