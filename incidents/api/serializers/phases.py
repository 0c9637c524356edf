"""How phases, their clocks and gates, and cycles are written out."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evidence.api.base.rows import RowSerializer
from evidence.api.fields import NameField, OtherReferenceField
from incidents.models import Cycle, CycleEnding, GateWaiver, IncidentPhase
from incidents.workflow.clocks import ClockState, clock_state


class WaiverSerializer(RowSerializer):
    """A waiver; `revoked_at` null: it is in force."""

    condition = serializers.CharField(source="condition_key", read_only=True)
    waived_by = NameField()
    revoked_by = NameField()

    class Meta:
        model = GateWaiver
        fields = (
            "id",
            "condition",
            "reason",
            "waived_at",
            "waived_by",
            "revoked_at",
            "revoked_by",
            "revocation_reason",
        )
        read_only_fields = fields


class OpenItemSerializer(serializers.Serializer):
    """A required checklist item that nobody had answered."""

    key = serializers.CharField()
    text = serializers.CharField()


class GateConditionSerializer(serializers.Serializer):
    """A condition as it was kept with its phase."""

    key = serializers.CharField()
    text = serializers.CharField()
    met = serializers.BooleanField()
    detail = serializers.CharField()
    is_ordered = serializers.BooleanField(
        help_text="It rested on an order that was not confirmed."
    )
    waiver = serializers.DictField(
        child=serializers.CharField(), allow_null=True, help_text="by and reason"
    )
    # Gates that were kept before items of every kind were asked for name none.
    open_items = OpenItemSerializer(many=True, default=list)


class PhaseSerializer(RowSerializer):
    """A phase with its clock: when it counts from, is due, was completed, was late.

    `clock` is how the clock stands now, or stood when its phase or cycle ended; `gate`
    the conditions as they were kept then, null while they can still change.
    """

    clock = serializers.SerializerMethodField()
    gate = serializers.SerializerMethodField()
    waivers = WaiverSerializer(many=True, read_only=True)

    incident = serializers.CharField(source="cycle.incident.reference", read_only=True)
    cycle = serializers.IntegerField(source="cycle.number", read_only=True)
    completed_by = NameField()

    class Meta:
        model = IncidentPhase
        fields: tuple[str, ...] = (
            "id",
            "incident",
            "cycle",
            "phase",
            "position",
            "target_seconds",
            "started_at",
            "due_at",
            "due_reason",
            "completed_at",
            "completed_by",
            "breached_at",
            "clock",
            "gate",
            "waivers",
        )
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField([state.value for state in ClockState]))
    def get_clock(self, phase: IncidentPhase) -> str:
        return clock_state(phase.as_clock(), timezone.now()).value

    @extend_schema_field(GateConditionSerializer(many=True, allow_null=True))
    def get_gate(self, phase: IncidentPhase) -> Any:
        record = getattr(phase, "gate_record", None)
        if record is None:
            return None
        return GateConditionSerializer(record.conditions, many=True).data


class CyclePhaseSerializer(PhaseSerializer):
    """A phase inside its cycle, which needs no naming."""

    class Meta(PhaseSerializer.Meta):
        fields = tuple(
            field
            for field in PhaseSerializer.Meta.fields
            if field not in ("incident", "cycle")
        )
        read_only_fields = fields


class EndingSerializer(RowSerializer):
    """As what a cycle was closed, and what the case was then: it stays."""

    original = OtherReferenceField()
    lead = NameField()
    ended_by = NameField()

    class Meta:
        model = CycleEnding
        fields = (
            "status",
            "resolution",
            "functional_impact",
            "information_impact",
            "recoverability",
            "reason",
            "original",
            "lead",
            "severity",
            "head",
            "ended_by",
        )
        read_only_fields = fields


class CycleSerializer(RowSerializer):
    ending = EndingSerializer(read_only=True, allow_null=True)
    phases = CyclePhaseSerializer(many=True, read_only=True)

    class Meta:
        model = Cycle
        fields = ("number", "started_at", "reason", "ended_at", "ending", "phases")
        read_only_fields = fields
