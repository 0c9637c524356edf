"""What takes one value and is sent two is refused, wherever it is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import resolve
from rest_framework.test import APIClient

from evidence.api.base import filters
from evidence.api.base.views import PAGING_PARAMETERS
from evidence.models import EvidenceItem
from incidents.models import Incident
from tests.api.test_filters import make_scan_report
from tests.api.test_resources import make_item, make_report
from tests.factories import make_incident
from tests.pages.hostile import arguments_of, fill, list_routes

pytestmark = pytest.mark.django_db


def lists() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the route of every list of the API, and its filters."""
    for route in list_routes("api/v1/"):
        if arguments_of(route) <= {"report_pk"}:
            view: Any = resolve(fill(route, {"*": "1"})).func
            if (getattr(view, "actions", None) or {}).get("get") == "list":
                found = getattr(view.cls, "filterset_class", None)
                yield route, dict(found.base_filters) if found else {}


LISTS = list(lists())


def named_in(response: Any) -> set[str]:
    """Return what a refusal says was sent twice."""
    problem = response.json()
    assert (response.status_code, problem["code"]) == (400, "sent_twice")
    return {error["field"] for error in problem["errors"]}


@pytest.mark.walk
def test_every_parameter_of_every_list_is_taken_once_but_choices_of_several(
    reader: APIClient,
) -> None:
    report = make_report(make_item(make_incident()))
    reports = {"scans": make_scan_report().pk, "reports": report.pk}
    several_tried = 0
    for route, given in LISTS:
        cache.clear()
        address = fill(route, {"*": str(reports.get(route.split("/")[2]))})
        several = {
            name: [value for value, _ in built.extra["choices"]][:2]
            for name, built in given.items()
            if isinstance(built, filters.MultipleChoiceFilter)
        }
        once = (set(given) | PAGING_PARAMETERS) - set(several)
        twice = {name: ["1", "1"] for name in once} | {"format": ["json"] * 2}
        assert named_in(reader.get(address, {**twice, **several})) == once, address
        if several:
            assert reader.get(address, several).status_code == 200, address
        several_tried += len(several)
    assert len(LISTS) > 80
    assert several_tried > 30


@pytest.mark.parametrize(
    "address",
    [
        "incidents/{case}/?fields=id&fields=title",
        "incidents/{case}/picture/?since=2026-03-10T12:00:00Z&since=2026-03-11T12:00:00Z",
        "metrics/phase-times/?since=2026-03-10&since=2026-03-11",
        "log/consistency/?older=1&older=2",
        "lists/?format=json&format=json",
        "schema/?format=json&format=json",
        # What takes several in a list takes none of one row.
        "incidents/{case}/?status=open&status=closed",
    ],
)
def test_what_is_no_list_takes_one_value_too(reader: APIClient, address: str) -> None:
    here = address.format(case=make_incident().reference)
    assert named_in(reader.get(f"/api/v1/{here}")) == {
        here.split("&")[-1].split("=")[0]
    }


def test_the_public_log_takes_one_value(client: Client, settings: Any) -> None:
    settings.LOG_IS_PUBLIC = True
    answer = client.get("/api/v1/log/consistency/?older=1&older=2")
    assert named_in(answer) == {"older"}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"title": "a", "revision": 1, "title": "b"}', "title"),
        ('{"revision": 1, "labels": [{"a": 1, "a": 1}]}', "a"),
        ('{"\\ud800": 1, "\\ud800": 2}', "\\ud800"),
    ],
)
def test_a_member_of_json_is_taken_once_at_any_depth(
    editor: APIClient, body: str, name: str
) -> None:
    case = make_incident()
    answer = editor.generic(
        "PATCH",
        f"/api/v1/incidents/{case.reference}/",
        body,
        content_type="application/json",
    )
    assert named_in(answer) == {name}
    assert Incident.objects.get().title == case.title


@pytest.mark.parametrize("name", ["incident", "file", "kind"])
def test_a_field_of_a_form_is_taken_once(uploader: APIClient, name: str) -> None:
    case, other = make_incident(), make_incident()
    sent: dict[str, Any] = {
        "incident": [case.reference, other.reference],
        "kind": ["other", "bundle"],
        "file": [SimpleUploadedFile(each, b"x") for each in ("a", "b")],
    }
    sent = {**{each: values[0] for each, values in sent.items()}, name: sent[name]}
    answer = uploader.post("/api/v1/evidence/", sent, format="multipart")
    assert named_in(answer) == {name}
    assert not EvidenceItem.objects.exists()


def test_a_raw_upload_names_its_case_once(uploader: APIClient) -> None:
    case, other = make_incident().reference, make_incident().reference
    answer = uploader.generic(
        "PUT",
        f"/api/v1/evidence/?incident={case}&incident={other}",
        b"bytes",
        content_type="application/octet-stream",
    )
    assert named_in(answer) == {"incident"}
    assert not EvidenceItem.objects.exists()


def test_a_kind_is_changed_by_a_form_that_names_it_once(uploader: APIClient) -> None:
    item = make_item(make_incident())
    answer = uploader.generic(
        "POST",
        f"/api/v1/evidence/{item.pk}/kind/",
        b"kind=other&kind=bundle&reason=x",
        content_type="application/x-www-form-urlencoded",
    )
    assert named_in(answer) == {"kind"}


def test_a_page_reads_one_value_of_what_is_sent_once(client: Client) -> None:
    typed = {"username": ["anna", "ben"], "password": "x"}
    refused = client.post("/admin/login/", typed)
    assert refused.status_code == 400
    assert "Sent more than once" in refused.content.decode()


def test_a_page_takes_one_file_for_a_field(client: Client) -> None:
    files = [SimpleUploadedFile(each, b"x") for each in ("a", "b")]
    refused = client.post("/admin/login/", {"username": "anna", "document": files})
    assert refused.status_code == 400
    assert "document" in refused.content.decode()
