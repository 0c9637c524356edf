"""Filters of the list of cases."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from incidents.case_queries import breached, on_hold, unverified
from incidents.models import Incident, IncidentPhase
from incidents.services.metrics import is_of_age
from incidents.workflow.metrics import AGE_GROUPS
from incidents.workflow.phases import Phase


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


class HoldFilter(YesFilter):
    title, parameter_name, words = "hold", "on_hold", "On hold"

    def chosen(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident]:
        return on_hold(queryset)


class PhaseTimeFilter(admin.SimpleListFilter):
    """The cases behind a figure of *Response times*: a phase complete, or late.

    Of all cycles, as the figures are; the filter of clocks asks for the current one.
    """

    title, parameter_name = "phase time", "phase_time"
    KINDS = ("late", "complete")

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            (f"{phase.value}:{kind}", f"{phase.label} {kind}")
            for kind in self.KINDS
            for phase in Phase
        ]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident] | None:
        chosen = {value for value, _ in self.lookup_choices}
        if self.value() not in chosen:
            return queryset if self.value() is None else queryset.none()
        phase, kind = str(self.value()).split(":")
        rows = IncidentPhase.objects.filter(cycle__incident=OuterRef("pk"), phase=phase)
        rows = (
            rows.late() if kind == "late" else rows.filter(completed_at__isnull=False)
        )
        return queryset.filter(Exists(rows))


class AgeFilter(admin.SimpleListFilter):
    """The cases detected so long ago, in the groups of *Response times*."""

    title, parameter_name = "age", "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(group.key, group.words) for group in AGE_GROUPS]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident] | None:
        if self.value() is None:
            return queryset
        for group in AGE_GROUPS:
            if group.key == self.value():
                return queryset.filter(is_of_age(group, timezone.now()))
        return queryset.none()


class DetectedFilter(admin.SimpleListFilter):
    """The cases detected on days from the first to the last, both in UTC.

    Choices are the last days; a page that counts cases links to any days it needs,
    as `2026-03-01..2026-03-31`.
    """

    title, parameter_name = "detected", "detected"
    DAYS = (7, 30, 90, 365)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        choices = [(str(days), f"In the last {days} days") for days in self.DAYS]
        value = request.GET.get(self.parameter_name, "")
        if read_days(value):
            first, _, last = value.partition("..")
            words = f"{first or 'Any day'} to {last or 'now'} (UTC)"
            choices.append((value, words if first != last else f"{first} (UTC)"))
        return choices

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Incident]
    ) -> QuerySet[Incident] | None:
        value = self.value()
        if value is None:
            return queryset
        if value in {str(days) for days in self.DAYS}:
            since = timezone.now() - dt.timedelta(days=int(value))
            return queryset.filter(detected_at__gte=since)
        days = read_days(value)
        if days is None:
            return queryset.none()
        first, last = days
        if first:
            queryset = queryset.filter(detected_at__gte=first)
        return queryset.filter(detected_at__lt=last) if last else queryset


def read_days(
    value: str,
) -> tuple[dt.datetime | None, dt.datetime | None] | None:
    """Read `FIRST..LAST`, days of which one may be left out, as UTC bounds.

    The second bound is the end of the last day. None where it cannot be read.
    """
    first, dots, last = value.partition("..")
    if not dots or not (first or last):
        return None
    try:
        start = dt.date.fromisoformat(first) if first else None
        end = dt.date.fromisoformat(last) + dt.timedelta(days=1) if last else None
    except (ValueError, OverflowError):
        return None
    return (_midnight(start), _midnight(end))


def _midnight(day: dt.date | None) -> dt.datetime | None:
    return dt.datetime.combine(day, dt.time(), dt.UTC) if day else None
