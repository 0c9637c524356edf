"""How alerts, their rules and the answers to them are written out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evidence.api.base.rows import RowSerializer
from evidence.api.fields import NameField, ReferenceField
from evidence.api.tombstones import TombstoneSerializer
from evidence.models import TombstoneKind
from evidence.services.pruning import find_tombstone
from incidents.models import Alert, AlertAssignment, AlertRule


class AssignmentSerializer(RowSerializer):
    incident = ReferenceField()
    previous_incident = ReferenceField()
    assigned_by = NameField()

    class Meta:
        model = AlertAssignment
        fields = (
            "kind",
            "incident",
            "previous_incident",
            "assigned_at",
            "assigned_by",
            "reason",
        )
        read_only_fields = fields


class AlertSerializer(RowSerializer):
    """An alert. `decision` is what the rules made of it, `incident` its case now.

    `waiting`: the rules have not looked at it yet, which they do within moments.
    """

    extension: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="extension_id", read_only=True
    )
    incident = ReferenceField()
    decided_incident = ReferenceField()
    rule: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="key", read_only=True
    )
    received_from = NameField()

    class Meta:
        model = Alert
        fields: tuple[str, ...] = (
            "id",
            "source",
            "alert_id",
            "extension",
            "category",
            "severity",
            "happened_at",
            "capability",
            "method",
            "call_id",
            "reason_codes",
            "summary",
            "risk_score",
            "document_sha256",
            "received_at",
            "received_from",
            "decision",
            "decided_incident",
            "rule",
            "incident",
        )
        read_only_fields = fields


class AlertDetailSerializer(AlertSerializer):
    """An alert with the document as it was sent, and everywhere it has been.

    `document` is null where it was pruned: `tombstone` says when, and where it is.
    """

    assignments = AssignmentSerializer(many=True, read_only=True)
    tombstone = serializers.SerializerMethodField()

    class Meta(AlertSerializer.Meta):
        fields = (*AlertSerializer.Meta.fields, "document", "tombstone", "assignments")
        read_only_fields = fields

    @extend_schema_field(TombstoneSerializer(allow_null=True))
    def get_tombstone(self, alert: Alert) -> dict[str, Any] | None:
        stone = (
            find_tombstone(TombstoneKind.ALERT_DOCUMENT, alert.pk)
            if alert.document is None
            else None
        )
        return TombstoneSerializer(stone).data if stone else None


class AlertRuleSerializer(RowSerializer):
    class Meta:
        model = AlertRule
        fields = (
            "id",
            "key",
            "is_enabled",
            "category",
            "least_severity",
            "opens_severity",
            "count",
            "window_seconds",
            "join_window_seconds",
            "tell",
            "tell_team",
        )
        read_only_fields = fields


class AlertAnswerSerializer(serializers.Serializer):
    """What became of one alert of a request.

    `accepted`: it is stored, now or earlier, and `decision` is what the rules made of
    it then; `waiting`: nothing yet. `conflict`: the ID is known with other content,
    which stays. `refused`: it is no alert; `problems` say why.
    """

    result = serializers.ChoiceField(["accepted", "conflict", "refused"])
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    alert_id = serializers.CharField(allow_null=True)
    id = serializers.IntegerField(required=False)
    decision = serializers.ChoiceField(
        ["waiting", "kept", "opened", "joined"], required=False
    )
    incident = serializers.CharField(required=False, allow_null=True)
    document_sha256 = serializers.CharField(required=False)
    code = serializers.CharField(required=False)
    detail = serializers.CharField(required=False)
    problems = serializers.ListField(child=serializers.CharField(), required=False)


class BatchAnswerSerializer(serializers.Serializer):
    """The answer to a batch: one result for each alert, in the order sent."""

    created = serializers.IntegerField()
    repeated = serializers.IntegerField()
    conflicts = serializers.IntegerField()
    refused = serializers.IntegerField()
    results = AlertAnswerSerializer(many=True)
