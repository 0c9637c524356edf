"""A history page does not tell who may not see it whether a row exists."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

pytestmark = [pytest.mark.django_db, pytest.mark.long]
MISSING = 2_000_000_000


@pytest.mark.parametrize(
    "model_admin",
    admin.site._registry.values(),
    ids=lambda model_admin: model_admin.opts.model_name,
)
def test_a_row_that_is_and_one_that_is_not_answer_alike(
    browse: Any, model_admin: Any
) -> None:
    client = browse("outsider")
    model = model_admin.model
    row = model._default_manager.order_by("pk").first()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    for page in ("history", "change", "delete"):
        answers = []
        for pk in (row.pk, MISSING):
            answer = client.get(reverse(f"{name}_{page}", args=[pk]))
            address = answer.get("Location", "").replace(str(pk), "…")
            answers.append((answer.status_code, address))
        assert answers[0] == answers[1], page
