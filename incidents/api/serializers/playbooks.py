"""How playbooks and their versions are written out."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from evidence.api.base.rows import RowSerializer
from evidence.api.fields import NameField
from incidents.models import Playbook, PlaybookVersion


class PlaybookVersionSerializer(RowSerializer):
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


class PlaybookSerializer(RowSerializer):
    """A class of incident with the numbers of its versions, newest first."""

    versions: serializers.SlugRelatedField[Any] = serializers.SlugRelatedField(
        slug_field="number", many=True, read_only=True
    )

    class Meta:
        model = Playbook
        fields = ("id", "code", "title", "versions")
        read_only_fields = fields
