"""How cases, playbooks and alerts are written out, and what an edit may send."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from evidence.api.serializers import (
    LinesField,
    NameField,
    OtherReferenceField,
    ReferenceField,
)
from evidence.api.tombstones import TombstoneSerializer
from evidence.handling import CHOICES
from evidence.models import TombstoneKind
from evidence.services.pruning import find_tombstone
from evidence.storable_values import BIGINT_MAX
from evidence.text import REASON_LENGTH
from incidents.api.holds import HoldSerializer
from incidents.models import (
    Alert,
    AlertAssignment,
    AlertRule,
    Cycle,
    CycleEnding,
    GateWaiver,
    Incident,
    IncidentPhase,
    Playbook,
    PlaybookVersion,
    Team,
    TicketLink,
)
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.workflow.clocks import ClockState, clock_state
from incidents.workflow.incident_states import IncidentStatus, Severity
from incidents.workflow.outcomes import (
    FunctionalImpact,
    InformationImpact,
    Recoverability,
    Resolution,
)
from policy.models import KillSwitch
from policy.rules.kill_switch import KillSwitchState

CLOSING_STATES = tuple(status for status in IncidentStatus if status.is_closed)
OUTCOME_ASKED = ("resolution", "functional_impact", "information_impact")
DUPLICATE_ASKED = ("original", "reason")


def _optional_choice(members: type[StrEnum]) -> serializers.ChoiceField:
    values = [member.value for member in members]
    return serializers.ChoiceField(values, required=False, allow_blank=True)


class WaiverSerializer(serializers.ModelSerializer):
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


class PhaseSerializer(serializers.ModelSerializer):
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


class EndingSerializer(serializers.ModelSerializer):
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


class CycleSerializer(serializers.ModelSerializer):
    ending = EndingSerializer(read_only=True, allow_null=True)
    phases = CyclePhaseSerializer(many=True, read_only=True)

    class Meta:
        model = Cycle
        fields = ("number", "started_at", "reason", "ended_at", "ending", "phases")
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
    duplicate_of = OtherReferenceField()
    related = ReferenceField(many=True)
    holds = HoldSerializer(many=True, read_only=True)
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
            "tlp",
            "is_restricted",
            "holds",
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
            "resolution",
            "functional_impact",
            "information_impact",
            "recoverability",
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
    severity = serializers.ChoiceField(
        [severity.value for severity in Severity], required=False
    )
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
    reason = LinesField(
        required=False, allow_blank=True, help_text="Needed to lower the severity."
    )


class MarkSerializer(serializers.Serializer):
    """Another mark of handling, of the case or of one `item` of its evidence.

    A stricter one counts at once; a looser one needs a `reason`, and a reviewer.
    """

    tlp = serializers.ChoiceField(CHOICES)
    item = serializers.IntegerField(
        required=False, min_value=1, max_value=BIGINT_MAX, help_text="ID of an item."
    )
    reason = LinesField(required=False, allow_blank=True, max_length=REASON_LENGTH)


class MarkAnswerSerializer(serializers.Serializer):
    """What became of it: `tlp` is the mark now, `asked_for` what a reviewer decides."""

    tlp = serializers.ChoiceField(CHOICES)
    asked_for = serializers.ChoiceField(CHOICES, allow_null=True)


class CloseSerializer(serializers.Serializer):
    """How to close a case: by the book, as a false alarm, or as a duplicate.

    By the book and as a false alarm, `resolution` and both impacts are asked for, and
    a `lead` where the case has none; a false alarm needs a `reason`; a duplicate needs
    a `reason` and the reference of its `original`, and has no outcome of its own.
    """

    status = serializers.ChoiceField([state.value for state in CLOSING_STATES])
    resolution = _optional_choice(Resolution)
    functional_impact = _optional_choice(FunctionalImpact)
    information_impact = _optional_choice(InformationImpact)
    recoverability = _optional_choice(Recoverability)
    lead = serializers.SlugRelatedField(
        slug_field="username",
        queryset=User.objects.filter(is_active=True),
        required=False,
        allow_null=True,
    )
    original = serializers.CharField(required=False, max_length=24)
    reason = LinesField(required=False, allow_blank=True, max_length=REASON_LENGTH)
    aftermath = _optional_choice(Aftermath)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        is_duplicate = attrs["status"] == IncidentStatus.CLOSED_DUPLICATE
        asked = DUPLICATE_ASKED if is_duplicate else OUTCOME_ASKED
        if attrs["status"] == IncidentStatus.CLOSED_FALSE_ALARM:
            asked = (*asked, "reason")
        missing = [name for name in asked if not attrs.get(name)]
        if missing:
            raise serializers.ValidationError(
                dict.fromkeys(missing, "This is asked for to close the case so."),
                code="required",
            )
        return attrs


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
            "tell",
            "tell_team",
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
