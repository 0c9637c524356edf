"""The history log for others: C2SP's checkpoint and tiles, and proofs by the API.

What is below `/log/` shows no content, hashes only. A setting lets everybody read it;
else it takes what reading the history takes.
"""

from __future__ import annotations

import re
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from evidence.api.base.permissions import ScopePermission
from evidence.api.base.repeated import refuse_repeated
from evidence.audit.log.publishing import cosignatures
from evidence.audit.log.reading import (
    checkpoint_members,
    entry_bundle,
    newest_checkpoint,
    prove_consistency,
    read_hashes,
)
from evidence.errors import LogRefused
from evidence.proof.tree import TILE_HEIGHT, TILE_WIDTH

READ = "evidence.view_auditentry"
MAX_LEVEL = 7  # 256**8 leaves are more than a bigint counts
TILE = re.compile(
    r"(?P<level>[0-9]{1,2}|entries)/(?P<place>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)
MAX_SIZE_DIGITS = 18


class LogPermission(ScopePermission):
    """Everybody where the setting says so; else who may read the history."""

    def has_permission(self, request: Request, view: Any) -> bool:
        is_read = request.method in ("GET", "HEAD", "OPTIONS")
        if settings.LOG_IS_PUBLIC and is_read:
            refuse_repeated(request.query_params)
            return True
        return super().has_permission(request, view)


class LogView(APIView):
    """Base of what is served below /log/."""

    schema = None
    permission_classes = (LogPermission,)
    read_permission = READ


class CheckpointView(LogView):
    def get(self, request: Request) -> HttpResponse:
        newest = newest_checkpoint()
        answer = HttpResponse(
            newest.note + cosignatures(newest),
            content_type="text/plain; charset=utf-8",
        )
        answer["Cache-Control"] = "no-cache"
        return answer


class TileView(LogView):
    def get(self, request: Request, path: str) -> HttpResponse:
        found = TILE.fullmatch(path)
        if found is None:
            raise LogRefused("There is no tile of this name in the history log.")
        place = int(found["place"].replace("x", "").replace("/", ""))
        is_entries = found["level"] == "entries"
        level = 0 if is_entries else int(found["level"])
        width = int(found["width"] or TILE_WIDTH)
        _require_stated(level, place, width)
        start = place * TILE_WIDTH
        data = (
            entry_bundle(start, width)
            if is_entries
            else b"".join(read_hashes(level, start, width))
        )
        answer = HttpResponse(data, content_type="application/octet-stream")
        answer["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def _require_stated(level: int, place: int, width: int) -> None:
    """Raise LogRefused for a tile beyond what the newest checkpoint covers."""
    size = newest_checkpoint().tree_size
    is_named = level <= MAX_LEVEL and width <= TILE_WIDTH
    if not is_named or place * TILE_WIDTH + width > size >> TILE_HEIGHT * level:
        raise LogRefused(
            f"The newest checkpoint is over {size} entries, and this tile beyond it."
        )


class CheckpointSerializer(serializers.Serializer):
    """A checkpoint: what was stated of the tree, and the signed note."""

    tree_size = serializers.IntegerField()
    root_hash = serializers.CharField()
    made_at = serializers.DateTimeField()
    note = serializers.CharField()


class ConsistencySerializer(serializers.Serializer):
    """A proof that the tree of one size extends that of another."""

    older_size = serializers.IntegerField()
    newer_size = serializers.IntegerField()
    proof = serializers.ListField(child=serializers.CharField())


class EntryProofSerializer(serializers.Serializer):
    """That an entry stands in the history log: docs/proof-format.md, section 2."""

    schema = serializers.CharField()
    entry = serializers.JSONField()
    leaf_index = serializers.IntegerField()
    inclusion = serializers.ListField(child=serializers.CharField())
    checkpoint = serializers.CharField()


class NewestCheckpointView(APIView):
    """The history log's newest checkpoint."""

    permission_classes = (LogPermission,)
    read_permission = READ

    @extend_schema(responses=CheckpointSerializer)
    def get(self, request: Request) -> Response:
        return Response(
            CheckpointSerializer(checkpoint_members(newest_checkpoint())).data
        )


class ConsistencyView(APIView):
    """That the history log of a newer size extends that of an older one."""

    permission_classes = (LogPermission,)
    read_permission = READ

    @extend_schema(
        parameters=[
            OpenApiParameter("older", OpenApiTypes.INT, required=True),
            OpenApiParameter(
                "newer", OpenApiTypes.INT, description="The newest where left out."
            ),
        ],
        responses=ConsistencySerializer,
    )
    def get(self, request: Request) -> Response:
        newest = newest_checkpoint().tree_size
        older = _read_size(request, "older", None)
        newer = _read_size(request, "newer", newest)
        answer = {
            "older_size": older,
            "newer_size": newer,
            "proof": prove_consistency(older, newer),
        }
        return Response(ConsistencySerializer(answer).data)


def _read_size(request: Request, name: str, default: int | None) -> int:
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    is_number = text is not None and text.isascii() and text.isdigit()
    if text is None or not is_number or len(text) > MAX_SIZE_DIGITS:
        raise ValidationError({name: "Give a tree size, a whole number."})
    return int(text)
