"""Filters of the list of cases."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from incidents.case_queries import breached, unverified
from incidents.models import Incident


class YesFilter(admin.SimpleListFilter):
    """A filter with one choice beside "all"."""

    words = ""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", self.words)]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident] | None:
        return self.chosen(request, queryset) if self.value() == "yes" else queryset

    def chosen(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident]:
        raise NotImplementedError


class MineFilter(YesFilter):
    title, parameter_name, words = "whose", "mine", "Mine: led by me, or in my team"

    def chosen(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident]:
        user: Any = request.user
        mine = Q(lead=user) | Q(team__members=user)
        return queryset.filter(pk__in=Incident.objects.filter(mine).values("pk"))


class BreachedFilter(YesFilter):
    title, parameter_name, words = "clocks", "breached", "Breached"

    def chosen(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident]:
        return breached(queryset)


class UnverifiedFilter(YesFilter):
    title, parameter_name = "evidence", "unverified"
    words = "Unverified or failed"

    def chosen(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident]:
        return unverified(queryset)
