"""How a case is written out, with what belongs to it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from evidence.api.base.rows import RowSerializer
from evidence.api.fields import NameField, OtherReferenceField, ReferenceField
from incidents.api.holds import HoldSerializer
from incidents.api.serializers.phases import CycleSerializer
from incidents.models import Incident, TicketLink
from policy.models import KillSwitch
from policy.rules.kill_switch import KillSwitchState


class TicketSerializer(RowSerializer):
    class Meta:
        model = TicketLink
        fields = ("ticket", "url", "added_at")
        read_only_fields = fields


class KillOrderSerializer(RowSerializer):
    """A kill switch that a case ordered. An order is no effect until confirmed."""

    extension: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="extension_id", read_only=True
    )
    state = serializers.ChoiceField([(s.value, s.value) for s in KillSwitchState])

    class Meta:
        model = KillSwitch
        fields = ("id", "scope", "extension", "state", "ordered_at")
        read_only_fields = fields


class IncidentSerializer(RowSerializer):
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
