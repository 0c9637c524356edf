"""How rows of the policy app are written out, and what may be sent."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evidence.api.base.rows import RowSerializer
from evidence.api.fields import LinesField, NameField, ReferenceField
from policy.models import (
    Extension,
    KillSwitch,
    KillSwitchConfirmation,
    KillSwitchLift,
    PolicySnapshot,
    Rollback,
    RollbackProof,
    ScanEntry,
    ScanReport,
    TrustTransition,
)
from policy.rules.kill_switch import KillSwitchState
from policy.rules.trust import TrustState
from policy.services.kill_switches import instruction_for
from policy.services.snapshots import list_decisions


class ExtensionField(serializers.SlugRelatedField):
    """An extension by the runtime's ID; null stands for all extensions."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(slug_field="extension_id", read_only=True, **kwargs)


class ExtensionSerializer(RowSerializer):
    versions: serializers.SlugRelatedField = serializers.SlugRelatedField(
        slug_field="version", many=True, read_only=True
    )
    kill_switch = serializers.SerializerMethodField()
    first_seen_in = serializers.CharField(
        source="shown_first_seen_in", read_only=True, allow_blank=True
    )

    class Meta:
        model = Extension
        fields = (
            "id",
            "extension_id",
            "name",
            "publisher",
            "notes",
            "trust_state",
            "kill_switch",
            "versions",
            "first_seen_at",
            "first_seen_in",
        )
        read_only_fields = fields

    @extend_schema_field(
        serializers.ChoiceField(
            [KillSwitchState.ORDERED.value, KillSwitchState.CONFIRMED.value],
            allow_null=True,
        )
    )
    def get_kill_switch(self, extension: Any) -> str | None:
        """Return whether it is ordered to be stopped, or confirmed to be; null: not."""
        if extension.is_kill_confirmed:
            return KillSwitchState.CONFIRMED.value
        return KillSwitchState.ORDERED.value if extension.is_kill_ordered else None


class TrustMomentSerializer(serializers.Serializer):
    """The trust of an extension at a moment."""

    extension = serializers.CharField()
    at = serializers.DateTimeField()
    trust_state = serializers.ChoiceField([(s.value, s.value) for s in TrustState])


class TrustTransitionSerializer(RowSerializer):
    extension = ExtensionField()
    incident = ReferenceField()
    approved_by = NameField()

    class Meta:
        model = TrustTransition
        fields = (
            "id",
            "extension",
            "from_state",
            "to_state",
            "reason",
            "incident",
            "moved_at",
            "requested_by_name",
            "approved_by",
            "exception",
        )
        read_only_fields = fields


class ConfirmationSerializer(RowSerializer):
    confirmed_by = NameField()

    class Meta:
        model = KillSwitchConfirmation
        fields = ("effective_at", "confirmed_at", "confirmed_by", "means")
        read_only_fields = fields


class LiftSerializer(RowSerializer):
    requested_by = NameField()
    approved_by = NameField()

    class Meta:
        model = KillSwitchLift
        fields = ("lifted_at", "requested_by", "approved_by", "reason", "exception")
        read_only_fields = fields


class InstructionSerializer(serializers.Serializer):
    """What the runtime is to run: patch settings.json first, then the command."""

    command = serializers.CharField()
    settings_patch = serializers.JSONField(allow_null=True)
    effect = serializers.CharField()
    limits = serializers.CharField()


class KillSwitchSerializer(RowSerializer):
    """A kill switch. Ordered and effective are two times; a lift is a third."""

    extension = ExtensionField()
    incident = ReferenceField()
    ordered_by = NameField()
    state = serializers.ChoiceField([(s.value, s.value) for s in KillSwitchState])
    confirmation = serializers.SerializerMethodField()
    lift = serializers.SerializerMethodField()
    instruction = serializers.SerializerMethodField()

    class Meta:
        model = KillSwitch
        fields = (
            "id",
            "scope",
            "extension",
            "incident",
            "state",
            "reason",
            "previous_trust",
            "ordered_at",
            "ordered_by",
            "confirmation",
            "lift",
            "instruction",
        )
        read_only_fields = fields

    @extend_schema_field(ConfirmationSerializer(allow_null=True))
    def get_confirmation(self, switch: KillSwitch) -> dict[str, Any] | None:
        """Return when it took effect, null before that is confirmed."""
        row = getattr(switch, "confirmation", None)
        return dict(ConfirmationSerializer(row).data) if row else None

    @extend_schema_field(LiftSerializer(allow_null=True))
    def get_lift(self, switch: KillSwitch) -> dict[str, Any] | None:
        """Return who lifted it, null while it stands."""
        row = getattr(switch, "lift", None)
        return dict(LiftSerializer(row).data) if row else None

    @extend_schema_field(InstructionSerializer)
    def get_instruction(self, switch: KillSwitch) -> dict[str, Any]:
        """Return what the runtime is to run."""
        return dict(InstructionSerializer(instruction_for(switch)).data)


class ConfirmSerializer(serializers.Serializer):
    """The runtime's word that a kill switch took effect."""

    means = LinesField(max_length=5000, help_text="What was run, and what it showed.")
    effective_at = serializers.DateTimeField(
        required=False, help_text="When it took effect; now where it is left out."
    )


class SnapshotUploadSerializer(serializers.Serializer):
    """A snapshot as multipart fields; the files are redacted before they are kept."""

    incident = serializers.CharField(max_length=24, help_text="The case's reference.")
    settings = serializers.FileField(help_text="settings.json")
    explanation = serializers.FileField(
        required=False, help_text="The output of pi --explain-extension-policy."
    )
    captured_at = serializers.DateTimeField(
        required=False, help_text="The moment it shows; now where it is left out."
    )
    cli_profile = serializers.CharField(
        required=False, max_length=60, help_text="The profile on the command line."
    )
    env_profile = serializers.CharField(
        required=False, max_length=60, help_text="The value of PI_EXTENSION_POLICY."
    )


class PolicySnapshotSerializer(RowSerializer):
    incident = ReferenceField()
    taken_by = NameField()

    class Meta:
        model = PolicySnapshot
        fields: tuple[str, ...] = (
            "id",
            "incident",
            "captured_at",
            "taken_at",
            "taken_by",
            "settings_item",
            "explanation_item",
            "cli_profile",
            "env_profile",
            "faults",
            "unknown",
            "redactions",
            "disagreements",
        )
        read_only_fields: tuple[str, ...] = fields


class CapabilityDecisionSerializer(serializers.Serializer):
    """One decision of the precedence chain; extension null: all without override."""

    extension = serializers.CharField(allow_null=True)
    capability = serializers.CharField()
    decision = serializers.CharField()
    layer = serializers.CharField()
    reason = serializers.CharField()


class PolicySnapshotDetailSerializer(PolicySnapshotSerializer):
    decisions = serializers.SerializerMethodField()

    class Meta(PolicySnapshotSerializer.Meta):
        fields = (*PolicySnapshotSerializer.Meta.fields, "document", "decisions")
        read_only_fields = fields

    @extend_schema_field(CapabilityDecisionSerializer(many=True))
    def get_decisions(self, snapshot: PolicySnapshot) -> list[dict[str, Any]]:
        """Return what the policy decides, as the runtime would resolve it."""
        return list_decisions(snapshot)


class RollbackProofSerializer(RowSerializer):
    given_by = NameField()
    is_explained = serializers.SerializerMethodField()

    class Meta:
        model = RollbackProof
        fields = (
            "id",
            "snapshot",
            "is_explained",
            "command_output",
            "deviations",
            "given_at",
            "given_by",
        )
        read_only_fields = fields

    def get_is_explained(self, proof: RollbackProof) -> bool:
        """Return whether the runtime's own explanation is part of the proof."""
        return proof.snapshot.explanation_item_id is not None


class RollbackSerializer(RowSerializer):
    incident = ReferenceField()
    requested_by = NameField()
    decided_by = NameField()
    closed_by = NameField()
    proofs = RollbackProofSerializer(many=True, read_only=True)

    class Meta:
        model = Rollback
        fields = (
            "id",
            "incident",
            "snapshot",
            "target_snapshot",
            "state",
            "reason",
            "risk_choice",
            "override_choice",
            "before",
            "after",
            "effects",
            "commands",
            "notes",
            "requested_at",
            "requested_by",
            "decided_at",
            "decided_by",
            "decision_reason",
            "proofs",
            "closed_at",
            "closed_by",
            "closing_reason",
        )
        read_only_fields = fields


class ScanReportSerializer(RowSerializer):
    incident = serializers.CharField(source="item.incident.reference", read_only=True)

    class Meta:
        model = ScanReport
        fields = (
            "id",
            "incident",
            "item",
            "finished_at",
            "duration_ms",
            "scanner_version",
            "classification",
            "file_count",
            "entry_count",
            "forbidden_count",
            "flagged_count",
            "missed_count",
            "refusal_code",
            "refusal",
            "details",
        )
        read_only_fields = fields


class ScanEntrySerializer(RowSerializer):
    class Meta:
        model = ScanEntry
        fields = (
            "position",
            "file",
            "line",
            "column",
            "classification",
            "rule",
            "family",
            "techniques",
            "excerpt",
            "context",
            "steps",
            "why",
            "is_missed_by_line_scanner",
            "line_scanner_said",
            "form",
            "suggested_pattern",
            "regression_test_idea",
        )
        read_only_fields = fields
