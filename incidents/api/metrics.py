"""How long phases take, as figures with their sample size."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers as fields
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from incidents.api.serializers import FiguresSerializer
from incidents.models import Incident
from incidents.services.metrics import read_figures

GROUPINGS = ("month", "class", "severity")
DAYS_MAX = 3660


class MetricsQuerySerializer(fields.Serializer):
    """`by`: what to group by, several separated by commas; none for all together."""

    by = fields.CharField(required=False, default="month,class,severity")
    days = fields.IntegerField(
        required=False, default=366, min_value=1, max_value=DAYS_MAX
    )

    def validate_by(self, value: str) -> set[str]:
        names = {code.strip() for code in value.split(",") if code.strip()} - {"none"}
        unknown = sorted(names - set(GROUPINGS))
        if unknown:
            raise fields.ValidationError(
                f"Group by {', '.join(GROUPINGS)}, or by nothing. Given: "
                f"{', '.join(unknown)}."
            )
        return names


class PhaseTimesView(APIView):
    """Median and 90th percentile of the time each phase took, with the sample size.

    A group that is not asked for is `all`. Cases count by when they were detected.
    """

    read_permission = "incidents.view_incidentphase"

    @extend_schema(
        parameters=[
            OpenApiParameter("by", str, description="month,class,severity or none"),
            OpenApiParameter("days", int, description="How far back; 366 unless told."),
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
