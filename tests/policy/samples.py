"""Rows and documents that the policy tests share."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from evidence.models import Channel
from incidents.models import Incident
from policy.models import Extension, PolicySnapshot
from policy.services.extensions import note_extension
from policy.services.snapshots import SnapshotSource, take_snapshot
from tests.factories import NOON

PERMISSIVE = {"extensionPolicy": {"profile": "permissive", "allowDangerous": True}}
SAFE = {"extensionPolicy": {"profile": "safe", "allowDangerous": False}}
BEFORE_REMEDIATE = ("contain", "collect", "verify", "analyze")


def make_extension(extension_id: str = "ext.weather") -> Extension:
    return note_extension(extension_id=extension_id, seen_in="a test", now=NOON)


def reach_remediate(incident: Incident, *, at: dt.datetime | None = None) -> None:
    """Complete the phases up to ANALYZE as rows, so that REMEDIATE runs."""
    moment = at or timezone.now()
    phases = {row.phase: row for row in incident.cycles.get(number=1).phases.all()}
    for name in BEFORE_REMEDIATE:
        row = phases[name]
        row.started_at = row.started_at or moment
        row.completed_at = moment
        row.save(update_fields=["started_at", "completed_at"])
    phases["remediate"].started_at = moment
    phases["remediate"].save(update_fields=["started_at"])


def take(
    incident: Incident,
    settings: dict[str, Any],
    *,
    actor: User | None = None,
    explanation: dict[str, Any] | None = None,
    **fields: Any,
) -> PolicySnapshot:
    """Take a snapshot of these settings."""
    source = SnapshotSource(
        settings=json.dumps(settings).encode(),
        explanation=json.dumps(explanation).encode() if explanation else None,
        cli_profile=fields.pop("cli_profile", ""),
        env_profile=fields.pop("env_profile", ""),
    )
    return take_snapshot(
        incident_id=incident.pk,
        source=source,
        channel=Channel.ADMIN,
        actor=actor,
        **fields,
    )
