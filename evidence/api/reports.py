"""Verification reports, their errors and replays, as the API has them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evidence.api.base.rows import RowSerializer
from evidence.api.tombstones import TombstoneSerializer
from evidence.format.names import STEP_MEMBERS
from evidence.models import (
    ReplayStep,
    TombstoneKind,
    VerificationError,
    VerificationReport,
)
from evidence.services.pruning import find_tombstone


class ReportSummarySerializer(RowSerializer):
    incident = serializers.CharField(source="item.incident.reference", read_only=True)

    class Meta:
        model = VerificationReport
        fields: tuple[str, ...] = (
            "id",
            "item",
            "incident",
            "outcome",
            "document_kind",
            "started_at",
            "finished_at",
            "duration_ms",
            "engine_version",
            "steps",
            "refusal_code",
            "refusal_path",
            "refusal_message",
            "error_count",
            "step_count",
            "trusted_prefix",
            "break_index",
            "diagnosis",
        )
        read_only_fields = fields


class ReportSerializer(ReportSummarySerializer):
    """The whole report but its errors and replay steps, which have pages.

    `unstored_error_count` says how many of `error_count` are not among the pages of
    errors: of very many only the first are stored. `replay_tombstone` is null unless
    the replay was pruned: when, as who approved, and which archive has it.
    """

    unstored_error_count = serializers.IntegerField(
        source="count_unstored_errors", read_only=True, min_value=0
    )
    replay_tombstone = serializers.SerializerMethodField()

    class Meta(ReportSummarySerializer.Meta):
        fields = (
            *ReportSummarySerializer.Meta.fields,
            "unstored_error_count",
            "details",
            "replay_tombstone",
        )
        read_only_fields = fields

    @extend_schema_field(TombstoneSerializer(allow_null=True))
    def get_replay_tombstone(self, report: VerificationReport) -> Any:
        stone = find_tombstone(TombstoneKind.REPLAY, report.pk)
        return TombstoneSerializer(stone).data if stone else None


class VerificationErrorSerializer(RowSerializer):
    class Meta:
        model = VerificationError
        fields = ("position", "entry_index", "sequence", "code", "message")
        read_only_fields = fields


STEP_FIELDS = ("index", *STEP_MEMBERS, "trusted")


class ReplayStepSerializer(RowSerializer):
    class Meta:
        model = ReplayStep
        fields = STEP_FIELDS
        read_only_fields = fields
