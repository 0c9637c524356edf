"""Tombstones of what was pruned, as they stand beside what it belonged to."""

from __future__ import annotations

from evidence.api.base.rows import RowSerializer
from evidence.api.fields import NameField
from evidence.models import Tombstone


class TombstoneSerializer(RowSerializer):
    """What was pruned, what it hashed to, and the archive that has it."""

    requested_by = NameField()
    approved_by = NameField()

    class Meta:
        model = Tombstone
        fields = (
            "id",
            "kind",
            "row_key",
            "row_count",
            "size_bytes",
            "sha256_hex",
            "archive",
            "archive_sha256_hex",
            "pruned_at",
            "requested_by",
            "approved_by",
        )
        read_only_fields = fields
