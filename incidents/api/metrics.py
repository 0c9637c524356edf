"""How long phases take, as figures with their sample size."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as fields
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from incidents.models import Incident
from incidents.services.metrics import read_ages, read_figures, read_weeks
from incidents.workflow.metrics import PhaseFigures

GROUPINGS = ("month", "class", "severity")
DAYS_MAX = 3660
DAYS = OpenApiParameter("days", int, description="How far back; 366 unless told.")


class DaysQuerySerializer(fields.Serializer):
    """`days`: how far back."""

    days = fields.IntegerField(
        required=False, default=366, min_value=1, max_value=DAYS_MAX
    )


class MetricsQuerySerializer(DaysQuerySerializer):
    """`by`: what to group by, several separated by commas; none for all together."""

    by = fields.CharField(required=False, default="month,class,severity")

    def validate_by(self, value: str) -> set[str]:
        names = {code.strip() for code in value.split(",") if code.strip()} - {"none"}
        unknown = sorted(names - set(GROUPINGS))
        if unknown:
            raise fields.ValidationError(
                f"Group by {', '.join(GROUPINGS)}, or by nothing. Given: "
                f"{', '.join(unknown)}."
            )
        return names


class FiguresSerializer(fields.Serializer):
    """Median and 90th percentile of one phase's duration, with the sample size.

    Both are null where none is complete yet. `judged` phases had a limit and are
    complete or past it; `within_limit` of them were completed in time.
    """

    month = fields.CharField()
    playbook = fields.CharField()
    severity = fields.CharField()
    phase = fields.CharField()
    sample_size = fields.IntegerField()
    median_seconds = fields.FloatField(allow_null=True)
    percentile_90_seconds = fields.FloatField(allow_null=True)
    limit_seconds = fields.FloatField(allow_null=True)
    judged = fields.IntegerField()
    within_limit = fields.IntegerField()

    def to_representation(self, instance: PhaseFigures) -> dict[str, Any]:
        return {
            "month": instance.group.month,
            "playbook": instance.group.playbook_code,
            "severity": instance.group.severity,
            "phase": instance.group.phase.value,
            "sample_size": instance.sample_size,
            "median_seconds": _seconds(instance.median),
            "percentile_90_seconds": _seconds(instance.percentile_90),
            "limit_seconds": _seconds(instance.limit),
            "judged": instance.judged_count,
            "within_limit": instance.within_count,
        }


class WeekCountSerializer(fields.Serializer):
    """Cases of one class by the week of their detection, from a Monday in UTC."""

    week_from = fields.DateField(source="monday")
    playbook = fields.CharField(source="playbook_code")
    cases = fields.IntegerField(source="case_count")


class AgeCountSerializer(fields.Serializer):
    """Open cases by the days since their detection; `until_days` null has no end."""

    from_days = fields.IntegerField(source="group.days")
    until_days = fields.IntegerField(source="group.until_days", allow_null=True)
    cases = fields.IntegerField(source="case_count")


class PhaseTimesView(APIView):
    """Median and 90th percentile of the time each phase took, with the sample size.

    Also how many kept their limit. A group that is not asked for is `all`. Cases count
    by when they were detected.
    """

    read_permission = "incidents.view_incidentphase"

    @extend_schema(
        parameters=[
            OpenApiParameter("by", str, description="month,class,severity or none"),
            DAYS,
        ],
        responses=FiguresSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        query = MetricsQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        groups: set[str] = query.validated_data["by"]
        days = dt.timedelta(days=query.validated_data["days"])
        figures = read_figures(
            incidents=Incident.objects.visible_to(request.user),
            since=timezone.now() - days,
            by_month="month" in groups,
            by_class="class" in groups,
            by_severity="severity" in groups,
        )
        return Response(FiguresSerializer(figures, many=True).data)


class CaseWeeksView(APIView):
    """How many cases of each class were detected in each week; none, no row."""

    read_permission = "incidents.view_incident"

    @extend_schema(parameters=[DAYS], responses=WeekCountSerializer(many=True))
    def get(self, request: Request) -> Response:
        query = DaysQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        counts = read_weeks(
            incidents=Incident.objects.visible_to(request.user),
            since=timezone.now() - dt.timedelta(days=query.validated_data["days"]),
        )
        return Response(WeekCountSerializer(counts, many=True).data)


class CaseAgesView(APIView):
    """How many cases are open, by the time since their detection."""

    read_permission = "incidents.view_incident"

    @extend_schema(responses=AgeCountSerializer(many=True))
    def get(self, request: Request) -> Response:
        counts = read_ages(incidents=Incident.objects.visible_to(request.user))
        return Response(AgeCountSerializer(counts, many=True).data)


def _seconds(length: dt.timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
