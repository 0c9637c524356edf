"""Searches of lists find what the admin's own would, and join nothing to do so."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.contrib.auth.models import User
from django.test import RequestFactory

from evidence.admin import searching
from evidence.admin.searching import find_words
from evidence.models import EvidenceItem
from incidents.models import Incident
from tests.factories import make_evidence, make_incident

pytestmark = pytest.mark.django_db
SEARCHED = [
    model
    for model, model_admin in admin.site._registry.items()
    if model_admin.search_fields
    and "get_search_results" not in vars(type(model_admin))
    and model._meta.app_label in ("evidence", "incidents", "policy")
]


def keys(rows: Any) -> set[Any]:
    return set(rows.values_list("pk", flat=True))


@pytest.mark.parametrize("most", [0, 1000])
def test_each_list_finds_what_the_admin_would(
    everything: Incident, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "FEW", most)
    request = RequestFactory().get("/")
    request.user = User.objects.get(username="root")
    terms = ("SEC-INC", everything.reference.lower(), "weather", "a e", "zzqx", '"a"')
    found = 0
    for model in SEARCHED:
        own: Any = admin.site._registry[model]
        rows = own.get_queryset(request)
        for term in terms:
            theirs, doubles = ModelAdmin.get_search_results(own, request, rows, term)
            ours, _ = own.get_search_results(request, rows, term)
            assert keys(ours) == keys(theirs), (model, term)
            assert not doubles
            found += len(keys(ours))
    assert len(SEARCHED) > 12
    assert found > 20


def test_a_search_joins_nothing_and_names_the_keys_it_found() -> None:
    item = make_evidence(make_incident())
    words = item.incident.reference
    fields = ("original_name", "sha256_hex__startswith", "incident__reference")
    rows = find_words(EvidenceItem.everything.all(), fields, words)
    sql = str(rows.query)
    assert keys(rows) == {item.pk}
    assert "JOIN" not in sql
    assert f'"incident_id" IN ({item.incident_id})' in sql
