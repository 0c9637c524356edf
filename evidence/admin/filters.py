"""List filters over what is annotated, not stored."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin, SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, TextFilter

from evidence.audit.history import INTAKE_PREFIX
from evidence.audit.words import ACTIONS, CASE_PREFIX, find_stream
from evidence.handling import CHOICES
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


class MarkFilter(SimpleListFilter):
    """By how it is handled: its own mark, or its case's where that is stricter."""

    title = "mark of handling"
    parameter_name = "tlp"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        return CHOICES

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in dict(CHOICES):
            return queryset
        found: QuerySet[Any] = queryset.marked(value)  # type: ignore[attr-defined]
        return found


class StandingFilter(SimpleListFilter):
    """By whether a fault of the store is still there."""

    title = "standing"
    parameter_name = "standing"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        return [("yes", "Not sound yet"), ("no", "Sound again")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value not in ("yes", "no"):
            return queryset
        return queryset.filter(ended_at__isnull=value == "yes")


NUMBERED = (CASE_PREFIX, INTAKE_PREFIX)


class _StartsWithFilter(TextFilter):
    """By how a column begins, which an index answers."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = drop_unstorable(self.value() or "")
        if not value:
            return queryset
        return queryset.filter(**{f"{self.parameter_name}__startswith": value})


class StreamFilter(_StartsWithFilter):
    """By a case's reference, an extension's ID or "system"; raw names work too."""

    title = "stream: a case, an extension or system"
    parameter_name = "stream"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        words = drop_unstorable(self.value() or "")
        stream = find_stream(words)
        if not stream:
            return queryset
        # The first case's stream is how the tenth's begins.
        is_numbered = stream.startswith(NUMBERED) and stream not in NUMBERED
        lookup = "stream" if is_numbered else "stream__startswith"
        return queryset.filter(**{lookup: stream})


class ActionFilter(DropdownFilter):
    """By what was done, in words; a raw beginning, such as "evidence.", works too."""

    title = "action"
    parameter_name = "action"

    def lookups(
        self, request: HttpRequest, model_admin: ModelAdmin[Any]
    ) -> list[tuple[str, str]]:
        return sorted(ACTIONS.items(), key=lambda option: option[1])

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = drop_unstorable(self.value() or "")
        if value in ACTIONS:
            return queryset.filter(action=value)
        return queryset.filter(action__startswith=value) if value else queryset


class ActorFilter(_StartsWithFilter):
    title = "person"
    parameter_name = "actor_name"
