"""Every filter of every list, read off the routes: what it cannot read is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.urls import resolve
from rest_framework.test import APIClient

from evidence.api.base import filters
from policy.models import ScanReport
from policy.services.scans import request_scan, run_scan
from tests.api.test_resources import make_item, make_report
from tests.factories import make_evidence, make_incident
from tests.pages.hostile import arguments_of, fill, list_routes

pytestmark = pytest.mark.django_db
GARBAGE: dict[Any, tuple[str, ...]] = {
    filters.TruthFilter: ("perhaps", "2", "yes", "None", " ", "truе"),
    filters.WholeNumberFilter: ("one", "1.5", "1e3", "NaN", "0x1"),
    filters.DateFilter: ("soon", "2026-02-30", "03/01/2026"),
    filters.MomentFilter: ("soon", "2026-13-45T99:99:99Z", "12:00"),
    filters.ChoiceFilter: ("perhaps", "0"),
    filters.MultipleChoiceFilter: ("perhaps", "0"),
}
ANY_TEXT = filters.CharFilter
EXPECTED = "Expected "


def list_filters() -> Iterator[tuple[str, str, Any]]:
    """Yield the route, the name and the kind of every filter of the API."""
    for route in list_routes("api/v1/"):
        if arguments_of(route) <= {"report_pk"}:
            view: Any = resolve(fill(route, {"*": "1"})).func
            if "list" in getattr(view, "actions", {}).values():
                found = getattr(view.cls, "filterset_class", None)
                for name, built in found.base_filters.items() if found else ():
                    yield route, name, type(built)


def make_scan_report() -> ScanReport:
    source = make_evidence(
        make_incident(), content=b"eval('1');", kind="extension_source", verified=False
    )
    return run_scan(request_id=request_scan(item_id=source.pk, actor=None).pk)


FILTERS = list(list_filters())
READ = [(route, name, kind) for route, name, kind in FILTERS if kind is not ANY_TEXT]


def test_every_filter_is_of_a_kind_that_refuses_what_it_cannot_read():
    assert {kind for _, _, kind in FILTERS} == {*GARBAGE, ANY_TEXT}
    assert len(READ) > 40
    assert any("report_pk" in " ".join(arguments_of(route)) for route, _, _ in READ)


@pytest.mark.walk
def test_garbage_is_refused_with_the_filters_name_and_what_it_expects(
    reader: APIClient,
):
    report = make_report(make_item(make_incident()))
    reports = {"scans": make_scan_report().pk, "reports": report.pk}
    wrong = []
    for route, name, kind in READ:
        cache.clear()  # There are more filters than requests in a minute.
        address = fill(route, {"*": str(reports.get(route.split("/")[2]))})
        for word in GARBAGE[kind]:
            response = reader.get(address, {name: word})
            errors = str(response.json().get("errors"))
            named = f"'{name}'" in errors and EXPECTED in errors
            if response.status_code != 400 or not named:
                wrong.append((address, name, word, response.status_code, errors))
    assert not wrong


@pytest.mark.parametrize(
    ("word", "count"),
    [("true", 0), ("TRUE", 0), ("1", 0), ("false", 1), ("False", 1), ("0", 1)],
)
def test_yes_and_no_are_read_in_any_case(reader: APIClient, word: str, count: int):
    make_incident()
    rows = reader.get(f"/api/v1/phases/?phase=contain&is_completed={word}")
    assert len(rows.json()["results"]) == count
