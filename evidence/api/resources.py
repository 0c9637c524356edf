"""What can be read of evidence: reports, what they list, custody, and the history."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api import filters, serializers
from evidence.api.base.permissions import require_scope
from evidence.api.base.views import (
    ListViewSet,
    ReadOnlyViewSet,
    ReportPartViewSet,
    person_of,
)
from evidence.api.log import EntryProofSerializer
from evidence.api.reports import (
    ReplayStepSerializer,
    ReportSerializer,
    ReportSummarySerializer,
    VerificationErrorSerializer,
)
from evidence.audit.history import newest_of_streams, newest_shown_of_streams
from evidence.audit.log.reading import entry_proof, newest_checkpoint
from evidence.format.redaction import flags_set
from evidence.models import (
    ApiToken,
    AuditEntry,
    CustodyEvent,
    EvidenceItem,
    ExportRequest,
    ReplayStep,
    TokenScope,
    TombstoneKind,
    VerificationError,
    VerificationReport,
)
from evidence.services.exports import repeat_export, request_export
from evidence.services.pruning import require_unpruned


class CustodyEventViewSet(ReadOnlyViewSet):
    """Chains of custody: every receipt, view, verification, download and export."""

    queryset = CustodyEvent.objects.select_related("item__incident")
    serializer_class = serializers.CustodyEventSerializer
    filterset_class = filters.CustodyEventFilter
    read_permission = "evidence.view_custodyevent"
    incident_lookup = "item__incident"
    ordering_fields = ("id", "happened_at")


class ReportViewSet(ReadOnlyViewSet):
    """Verification reports. Their errors and replay steps are resources below each."""

    queryset = VerificationReport.objects.select_related("item__incident")
    filterset_class = filters.ReportFilter
    read_permission = "evidence.view_verificationreport"
    incident_lookup = "item__incident"
    ordering_fields = ("id", "finished_at")

    def get_queryset(self) -> QuerySet[VerificationReport]:
        reports = super().get_queryset()
        return reports if self.action == "retrieve" else reports.defer("details")

    def get_serializer_class(self) -> type[ReportSummarySerializer]:
        if self.action == "retrieve":
            return ReportSerializer
        return ReportSummarySerializer


class ExportViewSet(ReadOnlyViewSet):
    """Exports: the bundle that was made, or why none was, and where a leak is."""

    queryset = ExportRequest.objects.select_related(
        "source__incident", "result__incident", "requested_by"
    )
    serializer_class = serializers.ExportSerializer
    filterset_class = filters.ExportFilter
    read_permission = "evidence.view_exportrequest"
    incident_lookup = "source__incident"
    write_scope = TokenScope.EVIDENCE_WRITE
    ordering_fields = ("id", "requested_at")

    @extend_schema(
        request=serializers.ExportAskingSerializer,
        responses={202: serializers.ExportSerializer},
    )
    def create(self, request: Request) -> Response:
        """Ask for an export; nothing redacted takes the scope `copies:unredacted`."""
        form = serializers.ExportAskingSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        visible = EvidenceItem.objects.visible_to(request.user)
        item = get_object_or_404(visible, pk=values["item"])
        for pk in values["more_items"]:
            get_object_or_404(visible, pk=pk)
        _require_unredacted_scope(request, values["redaction"])
        export = request_export(
            item_id=item.pk,
            filter=values["filter"],
            redaction=values["redaction"],
            deep=values["deep"],
            more_items=values["more_items"],
            actor=person_of(request),
        )
        return self._answer(export)

    @extend_schema(request=None, responses={202: serializers.ExportSerializer})
    @action(detail=True, methods=["post"])
    def again(self, request: Request, pk: str) -> Response:
        """Ask once more for an export that failed or was given up: a new one."""
        failed = self.get_object()
        _require_unredacted_scope(request, failed.redaction)
        export = repeat_export(export_id=failed.pk, actor=person_of(request))
        return self._answer(export)

    def _answer(self, export: ExportRequest) -> Response:
        made = self.get_queryset().get(pk=export.pk)
        data = self.get_serializer(made).data
        return Response(data, status=status.HTTP_202_ACCEPTED)


def _require_unredacted_scope(request: Request, redaction: dict[str, Any]) -> None:
    if isinstance(request.auth, ApiToken) and not flags_set(redaction):
        require_scope(request.auth, TokenScope.UNREDACTED)


class VerificationErrorViewSet(ReportPartViewSet):
    """A report's `verification_errors`, in the report's order."""

    queryset = VerificationError.objects.all()
    report_model = VerificationReport
    serializer_class = VerificationErrorSerializer
    read_permission = "evidence.view_verificationreport"
    filterset_class = filters.VerificationErrorFilter
    ordering_fields = ("position",)
    default_ordering = "position"


class ReplayStepViewSet(ReportPartViewSet):
    """A report's forensic replay, step by step."""

    queryset = ReplayStep.objects.all()
    report_model = VerificationReport
    serializer_class = ReplayStepSerializer
    read_permission = "evidence.view_verificationreport"
    filterset_class = filters.ReplayStepFilter
    ordering_fields = ("index",)
    default_ordering = "index"

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        # 410 for a replay that was pruned: an empty list would not be true.
        if not getattr(self, "swagger_fake_view", False):
            require_unpruned(TombstoneKind.REPLAY, self.kwargs["report_pk"])
        return rows


class AuditStreamViewSet(ListViewSet):
    """The streams of the history: how long each is, and its newest entry's hash."""

    queryset = newest_of_streams()
    serializer_class = serializers.AuditStreamSerializer
    filterset_class = filters.AuditStreamFilter
    read_permission = "evidence.view_auditentry"
    ordering_fields = ("id", "recorded_at")

    def get_queryset(self) -> QuerySet[Any]:
        return newest_shown_of_streams()


class AuditEntryViewSet(ReadOnlyViewSet):
    """The audit history, entry by entry, as the documents that were hashed.

    Read one stream with `?stream=…&ordering=sequence` to verify its chain offline.
    """

    queryset = AuditEntry.objects.all()
    serializer_class = serializers.AuditEntrySerializer
    filterset_class = filters.AuditEntryFilter
    read_permission = "evidence.view_auditentry"
    ordering_fields = ("id", "recorded_at", "sequence")
    also_ordered_by = ("stream", "action", "actor_name", "reason")

    @extend_schema(responses=EntryProofSerializer)
    @action(detail=True, pagination_class=None, filter_backends=())
    def proof(self, request: Request, pk: str) -> Response:
        """Return the proof that an entry stands in the history log."""
        proof = entry_proof(self.get_object(), newest_checkpoint())
        return Response(EntryProofSerializer(proof).data)
