"""How long phases take, as figures with their sample size."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as fields
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evidence.api.base.views import person_of
from incidents.models import Incident
from incidents.services.metrics import (
    ask_metrics,
    read_ages,
    read_figures,
    read_groups,
    read_weeks,
)

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

    def validate_by(self, value: str) -> frozenset[str]:
        return read_groups(value)


class FiguresSerializer(fields.Serializer):
    """Median and 90th percentile of one phase's duration, with the sample size.

    Both are null where none is complete yet. `judged` phases had a limit and are
    complete or past it; `within_limit` of them were completed in time.
    """

    month = fields.CharField(source="group.month")
    playbook = fields.CharField(source="group.playbook_code")
    severity = fields.CharField(source="group.severity")
    phase = fields.CharField(source="group.phase.value")
    sample_size = fields.IntegerField()
    median_seconds = fields.FloatField(allow_null=True)
    percentile_90_seconds = fields.FloatField(allow_null=True)
    limit_seconds = fields.FloatField(allow_null=True)
    judged = fields.IntegerField(source="judged_count")
    within_limit = fields.IntegerField(source="within_count")


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
        asked = ask_metrics(
            person_of(request),
            days=query.validated_data["days"],
            groups=query.validated_data["by"],
        )
        figures = read_figures(
            incidents=asked.incidents, since=asked.since, groups=asked.groups
        )
        return Response(FiguresSerializer(figures, many=True).data)


class CaseWeeksView(APIView):
    """How many cases of each class were detected in each week; none, no row."""

    read_permission = "incidents.view_incident"

    @extend_schema(parameters=[DAYS], responses=WeekCountSerializer(many=True))
    def get(self, request: Request) -> Response:
        query = DaysQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = ask_metrics(person_of(request), days=query.validated_data["days"])
        counts = read_weeks(incidents=asked.incidents, since=asked.since)
        return Response(WeekCountSerializer(counts, many=True).data)


class CaseAgesView(APIView):
    """How many cases are open, by the time since their detection."""

    read_permission = "incidents.view_incident"

    @extend_schema(responses=AgeCountSerializer(many=True))
    def get(self, request: Request) -> Response:
        counts = read_ages(incidents=Incident.objects.visible_to(request.user))
        return Response(AgeCountSerializer(counts, many=True).data)
