"""Policy read; kill switches confirmed and snapshots taken by the runtime."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api.base.parsers import PlainJsonParser
from evidence.api.base.views import (
    ReadOnlyViewSet,
    ReportPartViewSet,
    person_of,
    visible_incidents,
)
from evidence.api.evidence import WholeFormParser, client_address
from evidence.models import Channel, TokenScope
from policy.api import filters
from policy.api import serializers as policy_serializers
from policy.models import (
    Extension,
    KillSwitch,
    PolicySnapshot,
    Rollback,
    ScanEntry,
    ScanReport,
    TrustTransition,
)
from policy.rules.documents import MAX_DOCUMENT_BYTES
from policy.services.kill_switches import confirm_kill_switch, with_kill_state
from policy.services.sarif import sarif_of
from policy.services.scans import request_scan
from policy.services.snapshots import SnapshotSource, take_snapshot
from policy.services.trust import trust_state_at

AT = OpenApiParameter("at", str, description="A moment, ISO 8601; left out, now.")


class MomentSerializer(serializers.Serializer):
    at = serializers.DateTimeField(required=False)


class ExtensionViewSet(ReadOnlyViewSet):
    """Extensions, with the trust they have now."""

    queryset = with_kill_state(Extension.objects.prefetch_related("versions"))
    serializer_class = policy_serializers.ExtensionSerializer
    filterset_class = filters.ExtensionFilter
    read_permission = "policy.view_extension"
    ordering_fields = ("id", "extension_id", "first_seen_at")
    also_ordered_by = ("name", "trust_state", "publisher")
    default_ordering = "extension_id"
    extra_parameters = ("at",)

    @extend_schema(parameters=[AT], responses=policy_serializers.TrustMomentSerializer)
    @action(detail=True, filterset_class=None, pagination_class=None)
    def trust(self, request: Request, pk: str) -> Response:
        """Tell the trust of an extension at a moment, past ones included."""
        extension = get_object_or_404(Extension, pk=pk)
        form = MomentSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        moment = form.validated_data.get("at") or timezone.now()
        answer = {
            "extension": extension.extension_id,
            "at": moment,
            "trust_state": trust_state_at(extension, moment).value,
        }
        return Response(policy_serializers.TrustMomentSerializer(answer).data)


class TrustTransitionViewSet(ReadOnlyViewSet):
    """Every move of trust. Moves of cases that you may not see are left out."""

    queryset = TrustTransition.objects.select_related(
        "extension", "incident", "approved_by"
    )
    serializer_class = policy_serializers.TrustTransitionSerializer
    filterset_class = filters.TrustTransitionFilter
    read_permission = "policy.view_trusttransition"
    ordering_fields = ("id", "moved_at")
    also_ordered_by = (
        "extension",
        "from_state",
        "to_state",
        "reason",
        "incident",
        "requested_by_name",
        "approved_by",
    )

    def get_queryset(self) -> QuerySet[TrustTransition]:
        visible = visible_incidents(self.request.user)
        rows = super().get_queryset()
        return rows.filter(Q(incident__isnull=True) | Q(incident__in=visible))


class KillSwitchViewSet(ReadOnlyViewSet):
    """Kill switches, each with what the runtime is to run."""

    queryset = KillSwitch.objects.with_state().select_related("incident")
    serializer_class = policy_serializers.KillSwitchSerializer
    filterset_class = filters.KillSwitchFilter
    parser_classes = (PlainJsonParser,)
    read_permission = "policy.view_killswitch"
    incident_lookup = "incident"
    write_scope = TokenScope.POLICY_WRITE
    ordering_fields = ("id", "ordered_at")
    also_ordered_by = ("extension", "incident", "ordered_by", "reason")
    people = (
        *("ordered_by", "confirmation__confirmed_by"),
        *("lift__requested_by", "lift__approved_by"),
    )

    @extend_schema(
        request=policy_serializers.ConfirmSerializer,
        responses={
            201: policy_serializers.KillSwitchSerializer,
            200: policy_serializers.KillSwitchSerializer,
        },
    )
    @action(detail=True, methods=["post"], url_path="confirmation")
    def confirm(self, request: Request, pk: str) -> Response:
        """Confirm that a kill switch took effect; a repeat changes nothing (200)."""
        switch = self.get_object()
        form = policy_serializers.ConfirmSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        _, created = confirm_kill_switch(
            kill_switch_id=switch.pk,
            actor=request.user,  # type: ignore[arg-type]
            **form.validated_data,
        )
        return Response(
            self.get_serializer(self.get_object()).data,
            status=status.HTTP_201_CREATED if created else status.HTTP_200_OK,
        )


class PolicySnapshotViewSet(ReadOnlyViewSet):
    """Policy snapshots. POST takes one; secrets are redacted before it is kept."""

    queryset = PolicySnapshot.objects.select_related("incident", "taken_by")
    filterset_class = filters.PolicySnapshotFilter
    parser_classes = (WholeFormParser,)
    read_permission = "policy.view_policysnapshot"
    incident_lookup = "incident"
    write_scope = TokenScope.POLICY_WRITE
    ordering_fields = ("id", "captured_at")
    also_ordered_by = ("incident", "taken_by")

    def get_serializer_class(self) -> Any:
        if self.action == "list":
            return policy_serializers.PolicySnapshotSerializer
        return policy_serializers.PolicySnapshotDetailSerializer

    @extend_schema(
        request={"multipart/form-data": policy_serializers.SnapshotUploadSerializer},
        responses={201: policy_serializers.PolicySnapshotDetailSerializer},
    )
    def create(self, request: Request) -> Response:
        """Take a snapshot of a runtime's settings, and its explanation where given."""
        form = policy_serializers.SnapshotUploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        data = form.validated_data
        incidents = visible_incidents(request.user).only("pk")
        incident = incidents.filter(reference=data["incident"]).first()
        if incident is None:
            raise NotFound
        snapshot = take_snapshot(
            incident_id=incident.pk,
            source=_source_of(data),
            channel=Channel.API,
            actor=request.user,  # type: ignore[arg-type]
            captured_at=data.get("captured_at"),
            ip_address=client_address(request),
        )
        return Response(
            self.get_serializer(snapshot).data, status=status.HTTP_201_CREATED
        )


class RollbackViewSet(ReadOnlyViewSet):
    """Rollbacks with their plans, and what deviates from them."""

    queryset = Rollback.objects.select_related("incident").prefetch_related(
        "proofs__snapshot"
    )
    serializer_class = policy_serializers.RollbackSerializer
    filterset_class = filters.RollbackFilter
    read_permission = "policy.view_rollback"
    incident_lookup = "incident"
    ordering_fields = ("id", "requested_at")
    also_ordered_by = ("state", "incident", "requested_by", "decided_by")
    people = ("requested_by", "decided_by", "closed_by", "proofs__given_by")


class ScanReportViewSet(ReadOnlyViewSet):
    """Source scans. Their entries are a resource below each."""

    queryset = ScanReport.objects.select_related("item__incident")
    serializer_class = policy_serializers.ScanReportSerializer
    filterset_class = filters.ScanReportFilter
    read_permission = "policy.view_scanreport"
    incident_lookup = "item__incident"
    write_scope = TokenScope.POLICY_WRITE
    ordering_fields = ("id", "finished_at")
    also_ordered_by = (
        "item",
        "classification",
        "forbidden_count",
        "flagged_count",
        "missed_count",
        "file_count",
    )

    @extend_schema(
        request=None, responses={202: policy_serializers.ScanReportSerializer}
    )
    @action(detail=True, methods=["post"])
    def again(self, request: Request, pk: str) -> Response:
        """Have the source of a report scanned once more; another report will answer."""
        report = self.get_object()
        request_scan(item_id=report.item_id, actor=person_of(request))
        data = self.get_serializer(report).data
        return Response(data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses=OpenApiTypes.OBJECT)
    @action(detail=True, methods=["get"])
    def sarif(self, request: Request, pk: str) -> Response:
        """Return a report with all its entries as SARIF 2.1.0."""
        return Response(sarif_of(self.get_object()))


class ScanEntryViewSet(ReportPartViewSet):
    """A scan's entries, in the order of the source."""

    queryset = ScanEntry.objects.all()
    report_model = ScanReport
    serializer_class = policy_serializers.ScanEntrySerializer
    filterset_class = filters.ScanEntryFilter
    read_permission = "policy.view_scanreport"
    ordering_fields = ("position",)
    default_ordering = "position"


def _source_of(data: dict[str, Any]) -> SnapshotSource:
    explanation = data.get("explanation")
    return SnapshotSource(
        settings=_read(data["settings"]),
        explanation=_read(explanation) if explanation else None,
        settings_name=data["settings"].name,
        explanation_name=explanation.name if explanation else "",
        cli_profile=data.get("cli_profile", ""),
        env_profile=data.get("env_profile", ""),
    )


def _read(file: Any) -> bytes:
    """Return a file, one byte more than may be at most: the reader refuses it then."""
    return bytes(file.read(MAX_DOCUMENT_BYTES + 1))
