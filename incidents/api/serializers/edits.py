"""What an edit of a case, its mark and its closing may send."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from rest_framework import serializers

from evidence.api.fields import LinesField
from evidence.handling import CHOICES
from evidence.storable_values import BIGINT_MAX
from evidence.text import REASON_LENGTH
from incidents.models import Team
from incidents.services.lifecycle.aftermath import Aftermath
from incidents.workflow.incident_states import IncidentStatus, Severity
from incidents.workflow.outcomes import (
    FunctionalImpact,
    InformationImpact,
    Recoverability,
    Resolution,
)

CLOSING_STATES = tuple(status for status in IncidentStatus if status.is_closed)
OUTCOME_ASKED = ("resolution", "functional_impact", "information_impact")
DUPLICATE_ASKED = ("original", "reason")


def _optional_choice(members: type[StrEnum]) -> serializers.ChoiceField:
    values = [member.value for member in members]
    return serializers.ChoiceField(values, required=False, allow_blank=True)


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
