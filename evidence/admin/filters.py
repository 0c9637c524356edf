"""List filters over what is annotated, not stored."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import TextFilter

from evidence.models import Outcome
from evidence.text import drop_unstorable

UNVERIFIED = "none"


class OutcomeFilter(SimpleListFilter):
    """By what the newest report says."""

    title = "integrity"
    parameter_name = "integrity"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        return [*Outcome.choices, (UNVERIFIED, "Not verified yet")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value == UNVERIFIED:
            return queryset.filter(latest_outcome__isnull=True)
        return queryset.filter(latest_outcome=value) if value else queryset


class _StartsWithFilter(TextFilter):
    """By how a column begins, which an index answers."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = drop_unstorable(self.value() or "")
        if not value:
            return queryset
        return queryset.filter(**{f"{self.parameter_name}__startswith": value})


class StreamFilter(_StartsWithFilter):
    title = "stream"
    parameter_name = "stream"


class ActionFilter(_StartsWithFilter):
    title = "action"
    parameter_name = "action"


class ActorFilter(_StartsWithFilter):
    title = "person"
    parameter_name = "actor_name"
