"""How rows of the evidence app are written out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evidence.api.base.rows import RowSerializer
from evidence.api.fields import LinesField, MarkField, NameField, ReferenceField
from evidence.audit.history import entry_document
from evidence.models import (
    AuditEntry,
    CustodyEvent,
    EvidenceItem,
    EvidenceKind,
    ExportRequest,
    Outcome,
)
from evidence.services.remarks import RemarkKind, find_remarks
from evidence.storable_values import BIGINT_MAX


class LatestReportSerializer(serializers.Serializer):
    id = serializers.IntegerField(source="latest_report_id")
    outcome = serializers.ChoiceField(Outcome.choices, source="latest_outcome")
    checked_at = serializers.DateTimeField(source="latest_checked_at")


class RemarkSerializer(serializers.Serializer):
    """What is to be known of an item: it came late, or its signature is void."""

    code = serializers.ChoiceField([kind.value for kind in RemarkKind])
    text = serializers.CharField()


class EvidenceItemSerializer(RowSerializer):
    incident = ReferenceField()
    received_by = NameField()
    tlp = MarkField()
    latest_report = serializers.SerializerMethodField()
    remarks = serializers.SerializerMethodField()

    class Meta:
        model = EvidenceItem
        fields = (
            "id",
            "incident",
            "sha256_hex",
            "size_bytes",
            "kind",
            "content",
            "wrapping",
            "original_name",
            "media_type",
            "channel",
            "source",
            "received_at",
            "received_by",
            "derived_from",
            "tlp",
            "latest_report",
            "remarks",
        )
        read_only_fields = fields

    @extend_schema_field(RemarkSerializer(many=True))
    def get_remarks(self, item: EvidenceItem) -> list[dict[str, str]]:
        """Return what is to be known of it: that it came late, or that it is void."""
        # Once for a whole list: its items are asked about together.
        context: Any = self.context
        known = context.setdefault("remarks", {})
        if item.pk not in known:
            together = getattr(self.parent, "instance", None) or [item]
            known |= {other.pk: [] for other in together} | find_remarks(list(together))
        return [
            {"code": str(remark.kind), "text": remark.text} for remark in known[item.pk]
        ]

    @extend_schema_field(LatestReportSerializer(allow_null=True))
    def get_latest_report(self, item: EvidenceItem) -> dict[str, Any] | None:
        """Return the newest report, null before there is one."""
        if item.latest_report_id is None:
            return None
        return dict(LatestReportSerializer(item).data)


class UploadSerializer(serializers.Serializer):
    """The fields of a multipart upload."""

    file = serializers.FileField(allow_empty_file=True)
    incident = serializers.CharField(max_length=24, help_text="The case's reference.")
    kind = serializers.ChoiceField(
        EvidenceKind.choices,
        required=False,
        help_text="Left out, the content decides.",
    )
    source = serializers.CharField(  # type: ignore[assignment]
        required=False, allow_blank=True, help_text="Where it comes from."
    )
    sha256 = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text="What the bytes must hash to, 64 hexadecimal digits.",
    )


class KindSerializer(serializers.Serializer):
    """Another kind for an item, with the reason."""

    kind = serializers.ChoiceField(EvidenceKind.choices)
    reason = LinesField(max_length=2000)


class LeakSerializer(serializers.Serializer):
    path = serializers.CharField(help_text="Where: a JSON path, never the value.")
    kind = serializers.CharField()


class ReplacedSerializer(LeakSerializer):
    """What deep redaction replaced in all places of a path: never the value."""

    count = serializers.IntegerField()


class StepFailedSerializer(serializers.Serializer):
    source = serializers.CharField(help_text="The item, by its name.")  # type: ignore[assignment]
    step = serializers.CharField(help_text="One of the bundle's five steps.")
    message = serializers.CharField()


class InSeveralSerializer(serializers.Serializer):
    """How many records of a section stand in several items, and the first calls."""

    section = serializers.CharField()
    count = serializers.IntegerField()
    calls = serializers.ListField(child=serializers.CharField())


class ExportAskingSerializer(serializers.Serializer):
    """What to export, narrowed by which filter, with which members redacted.

    `filter` and `redaction` are the bundle's own members; without flags nothing is
    redacted, which takes a right and a scope of its own.
    """

    item = serializers.IntegerField(min_value=1, max_value=BIGINT_MAX)
    filter = serializers.DictField(required=False, default=dict)
    redaction = serializers.DictField(
        child=serializers.BooleanField(), required=False, default=dict
    )
    more_items = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=BIGINT_MAX),
        required=False,
        default=list,
        max_length=100,
        help_text="Further items of the same case that the one bundle draws on.",
    )
    deep = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Take out what leaks, where a leak fails the export otherwise.",
    )


class ExportSerializer(RowSerializer):
    """An export: what was asked for, and what came of it."""

    incident = serializers.CharField(source="source.incident.reference", read_only=True)
    requested_by = NameField()
    tlp = MarkField()
    copy = serializers.CharField(source="redaction_words", read_only=True)
    leaks = serializers.SerializerMethodField()
    replaced = serializers.SerializerMethodField()
    carried_over = serializers.SerializerMethodField()
    source_fails = serializers.SerializerMethodField()
    in_several = serializers.SerializerMethodField()

    class Meta:
        model = ExportRequest
        fields = (
            "id",
            "incident",
            "source",
            "more_sources",
            "tlp",
            "state",
            "filter",
            "redaction",
            "deep",
            "copy",
            "requested_at",
            "requested_by",
            "finished_at",
            "failure",
            "leaks",
            "replaced",
            "carried_over",
            "source_fails",
            "in_several",
            "result",
        )
        read_only_fields = fields

    @extend_schema_field(ReplacedSerializer(many=True))
    def get_replaced(self, export: ExportRequest) -> list[dict[str, Any]]:
        """Return what deep redaction took out, by path and kind."""
        return list((export.report or {}).get("replaced") or [])

    def get_carried_over(self, export: ExportRequest) -> int:
        """Return how many faults the ledger has from its source."""
        return len((export.report or {}).get("carried_over") or [])

    @extend_schema_field(InSeveralSerializer(many=True))
    def get_in_several(self, export: ExportRequest) -> list[dict[str, Any]]:
        """Return what stands in more than one of the items that it draws on."""
        return list((export.report or {}).get("in_several") or [])

    @extend_schema_field(StepFailedSerializer(many=True))
    def get_source_fails(self, export: ExportRequest) -> list[dict[str, Any]]:
        """Return which of the five steps the source itself fails."""
        return list((export.report or {}).get("source_fails") or [])

    @extend_schema_field(LeakSerializer(many=True))
    def get_leaks(self, export: ExportRequest) -> list[dict[str, Any]]:
        """Return what leaked and where, for an export that was refused for it."""
        leaks = (export.report or {}).get("leaks") or []
        return [{"path": leak["path"], "kind": leak["kind"]} for leak in leaks]


class CustodyEventSerializer(RowSerializer):
    incident = serializers.CharField(source="item.incident.reference", read_only=True)

    class Meta:
        model = CustodyEvent
        fields = (
            "id",
            "item",
            "incident",
            "kind",
            "happened_at",
            "actor_name",
            "channel",
            "ip_address",
            "original_name",
            "source",
            "detail",
        )
        read_only_fields = fields


class AuditActorSerializer(serializers.Serializer):
    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()


class AuditObjectSerializer(serializers.Serializer):
    type = serializers.CharField()
    id = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]


class AuditEntrySerializer(serializers.Serializer):
    """An entry as the document that was hashed, member by member.

    `entry_hash` is the SHA-256 of the RFC 8785 form of everything else in it, so a
    client can recompute the chain without this server.
    """

    schema = serializers.CharField()
    stream = serializers.CharField()
    sequence = serializers.IntegerField()
    recorded_at_ms = serializers.IntegerField()
    actor = AuditActorSerializer()
    action = serializers.CharField()
    object = AuditObjectSerializer()
    reason = serializers.CharField()
    before = serializers.JSONField(allow_null=True)
    after = serializers.JSONField(allow_null=True)
    previous_hash = serializers.CharField(allow_null=True)
    entry_hash = serializers.CharField()

    def to_representation(self, instance: AuditEntry) -> dict[str, Any]:
        document = entry_document(instance)
        return {str(name): document[str(name)] for name in self.fields}


class AuditStreamSerializer(RowSerializer):
    """A stream by its newest entry, which covers all before it."""

    length = serializers.IntegerField(source="sequence", read_only=True)
    newest_hash = serializers.CharField(source="entry_hash", read_only=True)

    class Meta:
        model = AuditEntry
        fields = ("stream", "length", "newest_hash", "recorded_at")
        read_only_fields = fields
