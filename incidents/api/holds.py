"""Holds on cases: how they are written out, and what is sent to place and release."""

from __future__ import annotations

from rest_framework import serializers

from evidence.api.base.rows import RowSerializer
from evidence.api.fields import LinesField, NameField
from evidence.text import REASON_LENGTH
from incidents.models import CaseHold


class HoldSerializer(RowSerializer):
    """A hold; `released_at` null: it stands, and nothing of the case is pruned."""

    held_by = NameField()
    released_by = NameField()

    class Meta:
        model = CaseHold
        fields = (
            "id",
            "reason",
            "held_at",
            "held_by",
            "released_at",
            "released_by",
            "release_reason",
        )
        read_only_fields = fields


class HoldReasonSerializer(serializers.Serializer):
    """Why a case is put on hold, or is no longer."""

    reason = LinesField(required=False, allow_blank=True, max_length=REASON_LENGTH)
