"""How cases, playbooks and alerts are written out, and what an edit may send."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from rest_framework import serializers

from evidence.api.serializers import NameField, ReferenceField
from incidents.models import (
    Alert,
    AlertAssignment,
    AlertRule,
    Cycle,
    Incident,
    IncidentPhase,
    Playbook,
    PlaybookVersion,
    Team,
    TicketLink,
)
from incidents.workflow.incident_states import Severity
from policy.models import KillSwitch
from policy.rules.kill_switch import KillSwitchState


class PhaseSerializer(serializers.ModelSerializer):
    """A phase with its clock: when it counts from, is due, was completed, was late."""

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
        )
        read_only_fields = fields


class CyclePhaseSerializer(PhaseSerializer):
    """A phase inside its cycle, which needs no naming."""

    class Meta(PhaseSerializer.Meta):
        fields = tuple(
            one
            for one in PhaseSerializer.Meta.fields
            if one not in ("incident", "cycle")
        )
        read_only_fields = fields


class CycleSerializer(serializers.ModelSerializer):
    phases = CyclePhaseSerializer(many=True, read_only=True)

    class Meta:
        model = Cycle
        fields = ("number", "started_at", "reason", "ended_at", "phases")
        read_only_fields = fields


class TicketSerializer(serializers.ModelSerializer):
    class Meta:
        model = TicketLink
        fields = ("ticket", "url", "added_at")
        read_only_fields = fields


class KillOrderSerializer(serializers.ModelSerializer):
    """A kill switch that a case ordered. An order is no effect until confirmed."""

    extension: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="extension_id", read_only=True
    )
    state = serializers.ChoiceField([(s.value, s.value) for s in KillSwitchState])

    class Meta:
        model = KillSwitch
        fields = ("id", "scope", "extension", "state", "ordered_at")
        read_only_fields = fields


class IncidentSerializer(serializers.ModelSerializer):
    """A case. `revision` is what an edit names, so that nobody overwrites another."""

    playbook = serializers.CharField(
        source="playbook_version.playbook.code", read_only=True
    )
    playbook_version = serializers.IntegerField(
        source="playbook_version.number", read_only=True
    )
    lead = NameField()
    team: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="name", read_only=True
    )
    extensions: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="extension_id", many=True, read_only=True
    )
    opened_by = NameField()
    closed_by = NameField()
    duplicate_of = ReferenceField()
    related = ReferenceField(many=True)
    tickets = TicketSerializer(source="ticket_links", many=True, read_only=True)
    cycles = CycleSerializer(many=True, read_only=True)
    kill_switches = KillOrderSerializer(many=True, read_only=True)

    class Meta:
        model = Incident
        fields = (
            "id",
            "reference",
            "title",
            "playbook",
            "playbook_version",
            "severity",
            "source",
            "status",
            "detected_at",
            "reported_at",
            "opened_by",
            "lead",
            "team",
            "labels",
            "extensions",
            "duplicate_of",
            "related",
            "tickets",
            "closed_at",
            "closed_by",
            "closing_reason",
            "revision",
            "last_activity_at",
            "kill_switches",
            "cycles",
        )
        read_only_fields = fields


class IncidentEditSerializer(serializers.Serializer):
    """What to set; what is left out stays. `revision` is the one that was read."""

    revision = serializers.IntegerField(required=False, min_value=1)
    title = serializers.CharField(required=False, max_length=200)
    severity = serializers.ChoiceField([one.value for one in Severity], required=False)
    lead = serializers.SlugRelatedField(
        slug_field="username",
        queryset=User.objects.filter(is_active=True),
        required=False,
        allow_null=True,
    )
    team: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="name",
        queryset=Team.objects.all(),
        required=False,
        allow_null=True,
    )
    labels = serializers.ListField(
        child=serializers.CharField(max_length=50), required=False, max_length=50
    )
    extensions = serializers.ListField(
        child=serializers.CharField(max_length=200),
        required=False,
        allow_empty=False,
        max_length=100,
    )
    reason = serializers.CharField(
        required=False, allow_blank=True, help_text="Needed to lower the severity."
    )


class PlaybookVersionSerializer(serializers.ModelSerializer):
    playbook = serializers.CharField(source="playbook.code", read_only=True)
    loaded_by = NameField()

    class Meta:
        model = PlaybookVersion
        fields = (
            "id",
            "playbook",
            "number",
            "content_sha256",
            "file_name",
            "loaded_at",
            "loaded_by",
            "document",
        )
        read_only_fields = fields


class PlaybookSerializer(serializers.ModelSerializer):
    """A class of incident with the numbers of its versions, newest first."""

    versions: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="number", many=True, read_only=True
    )

    class Meta:
        model = Playbook
        fields = ("id", "code", "title", "versions")
        read_only_fields = fields


class AssignmentSerializer(serializers.ModelSerializer):
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


class AlertSerializer(serializers.ModelSerializer):
    """An alert. `decision` is what the rules made of it, `incident` its case now."""

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
    """An alert with the document as it was sent, and everywhere it has been."""

    assignments = AssignmentSerializer(many=True, read_only=True)

    class Meta(AlertSerializer.Meta):
        fields = (*AlertSerializer.Meta.fields, "document", "assignments")
        read_only_fields = fields


class AlertRuleSerializer(serializers.ModelSerializer):
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
        )
        read_only_fields = fields


class AlertAnswerSerializer(serializers.Serializer):
    """What became of one alert of a request.

    `accepted`: it is stored, now or earlier, and `decision` is what the rules made of
    it then. `conflict`: the ID is known with other content, which stays. `refused`: it
    is no alert; `problems` say why.
    """

    result = serializers.ChoiceField(["accepted", "conflict", "refused"])
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment]
    alert_id = serializers.CharField(allow_null=True)
    id = serializers.IntegerField(required=False)
    decision = serializers.ChoiceField(["kept", "opened", "joined"], required=False)
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


class FiguresSerializer(serializers.Serializer):
    """Median and 90th percentile of one phase's duration, with the sample size."""

    month = serializers.CharField()
    playbook = serializers.CharField()
    severity = serializers.CharField()
    phase = serializers.CharField()
    sample_size = serializers.IntegerField()
    median_seconds = serializers.FloatField()
    percentile_90_seconds = serializers.FloatField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            "month": instance.group.month,
            "playbook": instance.group.playbook_code,
            "severity": instance.group.severity,
            "phase": instance.group.phase.value,
            "sample_size": instance.sample_size,
            "median_seconds": instance.median.total_seconds(),
            "percentile_90_seconds": instance.percentile_90.total_seconds(),
        }
