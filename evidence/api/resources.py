"""What can be read of evidence: reports, what they list, custody, and the history."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api import filters, serializers
from evidence.api.base.views import (
    ReadOnlyViewSet,
    ResourceViewSet,
    person_of,
    visible_incidents,
)
from evidence.api.log import EntryProofSerializer
from evidence.audit.log.reading import entry_proof, newest_checkpoint
from evidence.models import (
    AuditEntry,
    CustodyEvent,
    ExportRequest,
    ReplayStep,
    TokenScope,
    VerificationError,
    VerificationReport,
)
from evidence.services.exports import repeat_export


class CustodyEventViewSet(ReadOnlyViewSet):
    """Chains of custody: every receipt, view, verification, download and export."""

    queryset = CustodyEvent.objects.select_related("item__incident")
    serializer_class = serializers.CustodyEventSerializer
    filterset_class = filters.CustodyEventFilter
    read_permission = "evidence.view_custodyevent"
    ordering_fields = ("id", "happened_at")

    def get_queryset(self) -> QuerySet[CustodyEvent]:
        visible = visible_incidents(self.request.user)
        return super().get_queryset().filter(item__incident__in=visible)


class ReportViewSet(ReadOnlyViewSet):
    """Verification reports. Their errors and replay steps are resources below each."""

    queryset = VerificationReport.objects.select_related("item__incident")
    filterset_class = filters.ReportFilter
    read_permission = "evidence.view_verificationreport"
    ordering_fields = ("id", "finished_at")

    def get_queryset(self) -> QuerySet[VerificationReport]:
        visible = visible_incidents(self.request.user)
        reports = super().get_queryset().filter(item__incident__in=visible)
        return reports if self.action == "retrieve" else reports.defer("details")

    def get_serializer_class(self) -> type[serializers.ReportSummarySerializer]:
        if self.action == "retrieve":
            return serializers.ReportSerializer
        return serializers.ReportSummarySerializer


class ExportViewSet(ReadOnlyViewSet):
    """Exports: the bundle that was made, or why none was, and where a leak is."""

    queryset = ExportRequest.objects.select_related("source__incident", "requested_by")
    serializer_class = serializers.ExportSerializer
    filterset_class = filters.ExportFilter
    read_permission = "evidence.view_exportrequest"
    write_scope = TokenScope.EVIDENCE_WRITE
    ordering_fields = ("id", "requested_at")

    def get_queryset(self) -> QuerySet[ExportRequest]:
        visible = visible_incidents(self.request.user)
        return super().get_queryset().filter(source__incident__in=visible)

    @extend_schema(request=None, responses={202: serializers.ExportSerializer})
    @action(detail=True, methods=["post"])
    def again(self, request: Request, pk: str) -> Response:
        """Ask once more for an export that failed or was given up: a new one."""
        failed = self.get_object()
        export = repeat_export(export_id=failed.pk, actor=person_of(request))
        made = self.get_queryset().get(pk=export.pk)
        data = self.get_serializer(made).data
        return Response(data, status=status.HTTP_202_ACCEPTED)


class ReportPartViewSet(mixins.ListModelMixin, ResourceViewSet):
    """Base of what one report lists."""

    read_permission = "evidence.view_verificationreport"

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):
            return rows.none()
        visible = visible_incidents(self.request.user)
        reports = VerificationReport.objects.filter(item__incident__in=visible)
        report = get_object_or_404(reports.only("pk"), pk=self.kwargs["report_pk"])
        return rows.filter(report=report)


class VerificationErrorViewSet(ReportPartViewSet):
    """A report's `verification_errors`, in the report's order."""

    queryset = VerificationError.objects.all()
    serializer_class = serializers.VerificationErrorSerializer
    filterset_class = filters.VerificationErrorFilter
    ordering_fields = ("position",)
    default_ordering = "position"


class ReplayStepViewSet(ReportPartViewSet):
    """A report's forensic replay, step by step."""

    queryset = ReplayStep.objects.all()
    serializer_class = serializers.ReplayStepSerializer
    filterset_class = filters.ReplayStepFilter
    ordering_fields = ("index",)
    default_ordering = "index"


class AuditEntryViewSet(ReadOnlyViewSet):
    """The audit history, entry by entry, as the documents that were hashed.

    Read one stream with `?stream=…&ordering=sequence` to verify its chain offline.
    """

    queryset = AuditEntry.objects.all()
    serializer_class = serializers.AuditEntrySerializer
    filterset_class = filters.AuditEntryFilter
    read_permission = "evidence.view_auditentry"
    ordering_fields = ("id", "recorded_at", "sequence")

    @extend_schema(responses=EntryProofSerializer)
    @action(detail=True, pagination_class=None, filter_backends=())
    def proof(self, request: Request, pk: str) -> Response:
        """Return the proof that an entry stands in the history log."""
        proof = entry_proof(self.get_object(), newest_checkpoint())
        return Response(EntryProofSerializer(proof).data)
