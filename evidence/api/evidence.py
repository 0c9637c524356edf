"""Evidence items: listed, read, and received, streamed from the socket to the store."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    NotFound,
    ParseError,
    ValidationError,
)
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from evidence.accounts.access import require_permission
from evidence.api.base.permissions import require_scope
from evidence.api.base.repeated import refuse_repeated
from evidence.api.base.views import ReadOnlyViewSet, person_of, visible_incidents
from evidence.api.digests import PLAIN_HEADER, read_declared_sha256
from evidence.api.filters import EvidenceItemFilter
from evidence.api.serializers import (
    EvidenceItemSerializer,
    KindSerializer,
    UploadSerializer,
)
from evidence.errors import UploadBroken
from evidence.models import ApiToken, Channel, EvidenceItem, EvidenceKind, TokenScope
from evidence.services.custody import record_viewing
from evidence.services.downloads import open_download
from evidence.services.kind_changes import change_kind
from evidence.services.receipt import receive_evidence
from evidence.services.verification import request_verification
from evidence.storage import CHUNK_BYTES, Readable
from evidence.text import is_storable

# What a multipart body may have around the file itself.
ENVELOPE_BYTES = 64 * 1024
DEFAULT_NAME = "upload"
BYTES = "application/octet-stream"
INCIDENT_HEADER = "X-Casefile-Incident"
RAW_PARAMETERS = [
    OpenApiParameter("incident", str, description="The case's reference."),
    OpenApiParameter("kind", str, enum=EvidenceKind.values),
    OpenApiParameter("source", str, description="Where it comes from."),
    OpenApiParameter("name", str, description="The file's name."),
    OpenApiParameter(PLAIN_HEADER, str, OpenApiParameter.HEADER),
    OpenApiParameter(INCIDENT_HEADER, str, OpenApiParameter.HEADER),
]


UPLOAD_BODIES = {
    "application/octet-stream": OpenApiTypes.BINARY,
    "multipart/form-data": UploadSerializer,
}
RAW_UPLOAD: dict[str, Any] = {
    "request": {"application/octet-stream": OpenApiTypes.BINARY},
    "parameters": RAW_PARAMETERS,
    "responses": {201: EvidenceItemSerializer, 200: EvidenceItemSerializer},
}


class LengthRequired(APIException):
    status_code = status.HTTP_411_LENGTH_REQUIRED
    default_code = "length_required"
    default_detail = "Send Content-Length, or a chunked body to a server that takes it."


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_code = "too_large"


class WholeStream:
    """A body that ends where Content-Length says, or raises UploadBroken.

    A server hands on a body that was cut off as a short one, without an error.
    """

    def __init__(self, stream: Readable, *, size_bytes: int) -> None:
        self.stream = stream
        self.missing_bytes = size_bytes

    def read(self, size: int = CHUNK_BYTES, /) -> bytes:
        data = self.stream.read(min(size, self.missing_bytes))
        self.missing_bytes -= len(data)
        if not data and size and self.missing_bytes:
            raise UploadBroken(
                f"The body ended {self.missing_bytes} bytes before the "
                "Content-Length announced; nothing was stored. Send it again."
            )
        return data


class WholeFormParser(MultiPartParser):
    """Multipart forms, refused where they were cut off or hold something twice."""

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        size = int(stream.META.get("CONTENT_LENGTH") or 0)
        whole: Any = WholeStream(stream, size_bytes=size)
        form = super().parse(whole, media_type, parser_context)
        fields = form.data.copy()
        fields.update(form.files)
        refuse_repeated(fields)
        return form


class StreamParser(BaseParser):
    """Hands on the body of any type as the stream that it is, unread."""

    media_type = "*/*"

    def parse(
        self,
        stream: Any,
        media_type: str | None = None,
        parser_context: Any = None,
    ) -> Any:
        return stream


class BytesRenderer(JSONRenderer):
    """Lets a client ask for bytes; what goes wrong is still told as JSON."""

    media_type = BYTES
    format = "bytes"


class EvidenceViewSet(ReadOnlyViewSet):
    """Evidence items. POST or PUT receives one; the server computes its SHA-256."""

    queryset = EvidenceItem.objects.select_related("incident", "received_by")
    serializer_class = EvidenceItemSerializer
    filterset_class = EvidenceItemFilter
    parser_classes = (WholeFormParser, StreamParser)
    read_permission = "evidence.view_evidenceitem"
    write_scope = TokenScope.EVIDENCE_WRITE
    throttle_rate = "evidence"
    incident_lookup = "incident"
    ordering_fields = ("id", "received_at")
    also_ordered_by = (
        "original_name",
        "latest_outcome",
        "kind",
        "incident",
        "size_bytes",
        "received_by",
        "sha256_hex",
    )

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read an item; its chain of custody says that it was viewed."""
        item = self.get_object()
        record_viewing(
            item,
            actor=person_of(request),
            channel=Channel.API,
            ip_address=client_address(request),
        )
        return Response(self.get_serializer(item).data)

    @extend_schema(
        **RAW_UPLOAD | {"request": UPLOAD_BODIES},
    )
    def create(self, request: Request) -> Response:
        """Receive a file: 201 for a new item, 200 where the case has these bytes."""
        _require_size(request)
        if request.content_type.startswith("multipart/"):
            return self._receive_form(request)
        return self._receive_raw(request, request.query_params.get("name", ""))

    @extend_schema(operation_id="evidence_put", **RAW_UPLOAD)
    def put_body(self, request: Request) -> Response:
        """Receive the body as a file; its name is the parameter `name`."""
        _require_size(request)
        return self._receive_raw(request, request.query_params.get("name", ""))

    @extend_schema(operation_id="evidence_put_named", **RAW_UPLOAD)
    def put_named(self, request: Request, filename: str) -> Response:
        """Receive the body as a file of this name, as `curl -T` sends it."""
        _require_size(request)
        return self._receive_raw(request, filename)

    @extend_schema(
        operation_id="evidence_content",
        responses={(200, BYTES): OpenApiTypes.BINARY},
    )
    def content(self, request: Request, pk: int) -> HttpResponseBase:
        """Download an item as it was received; its chain of custody says so.

        Takes the scope `evidence:download` besides `read`. The digest was checked.
        """
        if isinstance(request.auth, ApiToken):
            require_scope(request.auth, TokenScope.EVIDENCE_DOWNLOAD)
        require_permission(request.user, "evidence.download_evidenceitem")
        item = self.get_object()
        if request.method == "HEAD":
            return HttpResponse(headers=_headers_of(item))
        download = open_download(
            item_id=item.pk,
            actor=person_of(request),
            channel=Channel.API,
            ip_address=client_address(request),
        )
        headers = _headers_of(item) | {"Repr-Digest": download.repr_digest}
        return StreamingHttpResponse(download.chunks, headers=headers)

    @extend_schema(request=KindSerializer, responses=EvidenceItemSerializer)
    def change_kind(self, request: Request, pk: int) -> Response:
        """Take an item for another kind, with a reason; it is recorded."""
        form = KindSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        item = self.get_object()
        change_kind(
            item_id=item.pk,
            **form.validated_data,
            actor=person_of(request),
            channel=Channel.API,
            ip_address=client_address(request),
        )
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses={202: EvidenceItemSerializer})
    def verify_again(self, request: Request, pk: int) -> Response:
        """Have an item verified once more, whatever came of it before."""
        item = self.get_object()
        request_verification(item_id=item.pk, actor=person_of(request))
        data = self.get_serializer(self.get_object()).data
        return Response(data, status=status.HTTP_202_ACCEPTED)

    def _receive_form(self, request: Request) -> Response:
        form = UploadSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        file: UploadedFile = values["file"]
        return self._receive(
            request,
            stream=file,
            reference=values["incident"],
            original_name=file.name or DEFAULT_NAME,
            media_type=file.content_type or "",
            kind=values.get("kind", ""),
            source=values.get("source", ""),
            declared_sha256=values.get("sha256") or None,
        )

    def _receive_raw(self, request: Request, name: str) -> Response:
        parameters = request.query_params
        reference = parameters.get("incident") or request.headers.get(INCIDENT_HEADER)
        if not reference:
            message = f"Name the case: ?incident=… or the header {INCIDENT_HEADER}."
            raise ValidationError({"incident": message}, code="required")
        return self._receive(
            request,
            stream=_body_of(request),
            reference=reference,
            original_name=name or DEFAULT_NAME,
            media_type=request.content_type or "",
            kind=parameters.get("kind", ""),
            source=parameters.get("source", ""),
            declared_sha256=read_declared_sha256(request),
        )

    def _receive(
        self, request: Request, *, stream: Readable, reference: str, **delivery: Any
    ) -> Response:
        if not is_storable(reference):
            raise NotFound
        incidents = visible_incidents(request.user)
        incident = incidents.only("pk").filter(reference=reference).first()
        if incident is None:
            raise NotFound
        item, created = receive_evidence(
            incident_id=incident.pk,
            stream=stream,
            channel=Channel.API,
            actor=person_of(request),
            ip_address=client_address(request),
            **delivery,
        )
        return Response(
            self.get_serializer(item).data,
            status=status.HTTP_201_CREATED if created else status.HTTP_200_OK,
            headers={"Location": reverse("api:evidence-detail", args=[item.pk])},
        )


def _headers_of(item: EvidenceItem) -> dict[str, str]:
    return {
        # Never shown, whatever it holds: evidence may be hostile.
        "Content-Type": BYTES,
        "Content-Disposition": str(content_disposition_header(True, item.shown_name)),
        "Content-Length": str(item.size_bytes),
    }


def client_address(request: Request) -> str | None:
    """Return the client's address; None where it came by a Unix socket."""
    address = request.META.get("REMOTE_ADDR", "")
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


def _require_size(request: Request) -> None:
    """Refuse by Content-Length what is too large, before a byte of it is read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit() and len(length) < 20):
        raise ParseError("Content-Length is not a number.")
    limit = settings.EVIDENCE_MAX_BYTES
    if int(length) > limit + ENVELOPE_BYTES:
        raise TooLarge(
            f"The body has {length} bytes, and at most {limit} are accepted. "
            "Compress it with gzip, or split it."
        )


def _body_of(request: Request) -> Readable:
    """Return the raw body as a stream, a chunked one included."""
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        size = int(request.META.get("CONTENT_LENGTH") or 0)
        return WholeStream(request._request, size_bytes=size)
    if not request.META.get("wsgi.input_terminated"):
        raise LengthRequired
    return request.META["wsgi.input"]
