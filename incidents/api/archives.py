"""Archives of cases: asked for, followed, and handed out on record."""

from __future__ import annotations

import base64
from typing import Any

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.api.base import filters
from evidence.api.base.parsers import PlainJsonParser
from evidence.api.base.permissions import require_scope
from evidence.api.base.rows import RowSerializer
from evidence.api.base.views import ReadOnlyViewSet, person_of
from evidence.api.evidence import client_address
from evidence.api.fields import MarkField, NameField, ReferenceField
from evidence.models import ApiToken, Channel, TokenScope, WorkState
from incidents.errors import TransitionError
from incidents.models import CaseArchive, Incident
from incidents.services.archives.requests import (
    open_archive,
    request_archive,
    require_download,
)

ZIP = "application/zip"
VERDICTS = {
    WorkState.DONE: "passed",
    WorkState.FAILED: "not_kept",
    WorkState.GAVE_UP: "not_kept",
}


class CaseArchiveSerializer(RowSerializer):
    """An archive of a case. `verdict` is its own checker's, null until it is made."""

    incident = ReferenceField()
    requested_by = NameField()
    tlp = MarkField()
    is_redacted = serializers.BooleanField(read_only=True)
    verdict = serializers.SerializerMethodField()

    class Meta:
        model = CaseArchive
        fields = (
            "id",
            "incident",
            "tlp",
            "state",
            "progress_percent",
            "verdict",
            "failure",
            "last_problem",
            "is_redacted",
            "redaction",
            "deep",
            "requested_at",
            "requested_by",
            "finished_at",
            "sha256_hex",
            "size_bytes",
            "checkpoint_size",
        )
        read_only_fields = fields

    @extend_schema_field(
        serializers.ChoiceField(
            ["passed", "not_kept"],
            allow_null=True,
            help_text="passed: its own checker found nothing in it, when it was made.",
        )
    )
    def get_verdict(self, archive: CaseArchive) -> str | None:
        return VERDICTS.get(WorkState(archive.state))


class ArchiveAskingSerializer(serializers.Serializer):
    """Which case to archive, with which flags redacted; without one, it is whole."""

    incident = serializers.CharField(max_length=24, help_text="Reference of the case.")
    redaction = serializers.DictField(
        child=serializers.BooleanField(), required=False, default=dict
    )
    deep = serializers.BooleanField(required=False, default=False)


class ArchiveFilter(filters.FilterSet):
    incident = filters.CharFilter(field_name="incident__reference")
    state = filters.MultipleChoiceFilter(choices=WorkState.choices)
    is_redacted = filters.TruthFilter("redaction", lookup_expr="isnull", exclude=True)
    sha256_hex = filters.CharFilter()
    requested_after = filters.MomentFilter("requested_at", "gte")
    requested_before = filters.MomentFilter("requested_at", "lt")


class AnyAccept(DefaultContentNegotiation):
    """A file is a file, whatever the client says it takes; problems are JSON."""

    def select_renderer(
        self, request: Any, renderers: Any, format_suffix: str | None = None
    ) -> Any:
        return renderers[0], renderers[0].media_type


class CaseArchiveViewSet(ReadOnlyViewSet):
    """Archives of cases: one file each that holds the whole case and checks itself."""

    queryset = CaseArchive.objects.select_related("incident", "requested_by")
    serializer_class = CaseArchiveSerializer
    filterset_class = ArchiveFilter
    parser_classes = (PlainJsonParser,)
    read_permission = "incidents.view_casearchive"
    incident_lookup = "incident"
    write_scope = TokenScope.CASES_WRITE
    ordering_fields = ("id", "requested_at")
    also_ordered_by = ("requested_by", "size_bytes")

    @extend_schema(
        request=ArchiveAskingSerializer, responses={202: CaseArchiveSerializer}
    )
    def create(self, request: Request) -> Response:
        """Have a case archived as it stands now; a worker makes it."""
        form = ArchiveAskingSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        visible = Incident.objects.visible_to(request.user)
        incident = get_object_or_404(visible, reference=values["incident"])
        asked = request_archive(
            incident_id=incident.pk,
            actor=person_of(request),
            redaction=values["redaction"],
            deep=values["deep"],
        )
        made = self.get_queryset().get(pk=asked.pk)
        data = self.get_serializer(made).data
        return Response(data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses={(200, ZIP): OpenApiTypes.BINARY})
    @action(
        detail=True,
        methods=["get"],
        filter_backends=(),
        content_negotiation_class=AnyAccept,
    )
    def file(self, request: Request, pk: str) -> HttpResponseBase:
        """Download an archive; who took it stands in the case's history."""
        archive: CaseArchive = self.get_object()
        _require_scopes(request, archive)
        require_download(archive, person_of(request))
        if archive.state != WorkState.DONE:
            raise TransitionError(
                f"There is no file: this archive is {archive.get_state_display()}.",
                code="not_made",
            )
        return _answer_file(request, archive)


def _require_scopes(request: Request, archive: CaseArchive) -> None:
    """Ask for the scope of archives, and of unredacted copies where it is one."""
    token = request.auth
    if not isinstance(token, ApiToken):
        raise PermissionDenied(
            "A session takes archives from the admin. Here it needs an API token.",
            code="token_required",
        )
    require_scope(token, TokenScope.ARCHIVES)
    if not archive.is_redacted:
        require_scope(token, TokenScope.UNREDACTED)


def _answer_file(request: Request, archive: CaseArchive) -> HttpResponseBase:
    digest = base64.b64encode(bytes.fromhex(archive.sha256_hex)).decode()
    headers = {
        "Content-Disposition": content_disposition_header(True, archive.file_name)
        or "attachment",
        "Content-Length": str(archive.size_bytes),
        "Repr-Digest": f"sha-256=:{digest}:",
    }
    if request.method == "HEAD":
        # Nothing is handed out, so nobody took anything.
        return HttpResponse(content_type=ZIP, headers=headers)
    chunks = open_archive(
        archive_id=archive.pk,
        actor=person_of(request),
        channel=Channel.API,
        ip_address=client_address(request),
    )
    return StreamingHttpResponse(chunks, content_type=ZIP, headers=headers)
