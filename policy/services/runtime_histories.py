"""The runtime's own record, imported as evidence and replayed through our rules."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

from django.db import transaction
from django.utils import timezone

from evidence.accounts.access import Actor, require_permission
from evidence.models import Channel, EvidenceItem, EvidenceKind
from evidence.services import receive_evidence
from policy.errors import PolicyConflict
from policy.models import RuntimeHistoryImport
from policy.rules.runtime_history import (
    RuntimeHistory,
    parse_runtime_history,
)
from policy.rules.trust_replay import (
    TrustFinding,
    replay_runtime_history,
)
from policy.services.changes import WORK_POLICY, record_change
from policy.services.concerned_cases import (
    lock_incident,
    remediate_reached_at,
)
from policy.services.extensions import note_extension
from policy.services.snapshots import without_nul

# What a page lists; the counts say how many there are.
STORED_FINDINGS = 5_000
STORED_FAULTS = 1_000
MAX_NOTED_EXTENSIONS = 1_000
TEXT_LENGTH = 1_000


def import_runtime_history(
    *,
    incident_id: int,
    data: bytes,
    original_name: str,
    channel: Channel,
    actor: Actor,
    ip_address: str | None = None,
    now: dt.datetime | None = None,
) -> RuntimeHistoryImport:
    """Keep a runtime's record as evidence, and list what our rules hold against it.

    It never becomes our own state: no trust and no kill switch changes. Raise
    DocumentError where it is too large to be one, or is packed and damaged.
    """
    require_permission(actor, WORK_POLICY)
    moment = now or timezone.now()
    history = parse_runtime_history(data)
    item, _ = receive_evidence(
        incident_id=incident_id,
        stream=io.BytesIO(data),
        original_name=original_name,
        channel=channel,
        actor=actor,
        kind=EvidenceKind.LOG,
        media_type="application/x-ndjson",
        source="the runtime's record of trust and kill switches",
        ip_address=ip_address,
        now=moment,
    )
    return _replay(incident_id, item, history, actor=actor, now=moment)


@transaction.atomic
def _replay(
    incident_id: int,
    item: EvidenceItem,
    history: RuntimeHistory,
    *,
    actor: Actor,
    now: dt.datetime,
) -> RuntimeHistoryImport:
    incident = lock_incident(incident_id, actor)
    known = RuntimeHistoryImport.objects.filter(incident=incident, item=item).first()
    if known is not None:
        raise PolicyConflict(
            f"This record was taken in already, on {known.imported_at:%Y-%m-%d %H:%M} "
            "UTC: its findings stand there.",
            code="history_known",
        )
    findings = replay_runtime_history(
        history.records, lift_allowed_from=lift_allowed_from(incident)
    )
    row = RuntimeHistoryImport.objects.create(
        incident=incident,
        item=item,
        imported_at=now,
        imported_by=actor,
        record_count=len(history.records),
        finding_count=len(findings),
        refused_count=sum(finding.is_refused for finding in findings),
        fault_count=len(history.faults),
        findings=[finding_as_json(finding) for finding in findings[:STORED_FINDINGS]],
        faults=without_nul(
            [
                {
                    "line": fault.line,
                    "path": fault.fault.path[:TEXT_LENGTH],
                    "code": fault.fault.code,
                    "message": fault.fault.message[:TEXT_LENGTH],
                }
                for fault in history.faults[:STORED_FAULTS]
            ]
        ),
    )
    _note_named(history, row, now)
    record_change(
        row,
        action="runtime_history.imported",
        actor=actor,
        now=now,
        incident_id=incident_id,
        after={
            "item": item.sha256_hex,
            "records": row.record_count,
            "findings": row.finding_count,
            "refused": row.refused_count,
            "faults": row.fault_count,
        },
    )
    return row


def lift_allowed_from(incident: Any) -> dict[str, dt.datetime | None]:
    """Return from when on a lift is in time, for each extension of a case.

    None: the case has not reached REMEDIATE.
    """
    reached_at = remediate_reached_at(incident)
    names = incident.extensions.values_list("extension_id", flat=True)
    return dict.fromkeys(names, reached_at)


def finding_as_json(finding: TrustFinding) -> dict[str, Any]:
    """Return a finding as it is stored."""
    return without_nul(
        {
            "code": finding.code.value,
            "line": finding.line,
            "at": finding.at.isoformat(),
            "extension": finding.extension and finding.extension[:TEXT_LENGTH],
            "from_state": finding.from_state and finding.from_state.value,
            "to_state": finding.to_state and finding.to_state.value,
            "operator": finding.operator[:TEXT_LENGTH],
            "message": finding.message[:TEXT_LENGTH],
            "is_refused": finding.is_refused,
        }
    )


def _note_named(
    history: RuntimeHistory, row: RuntimeHistoryImport, now: dt.datetime
) -> None:
    names = {record.extension for record in history.records if record.extension}
    for name in sorted(name for name in names if name.strip())[:MAX_NOTED_EXTENSIONS]:
        note_extension(extension_id=name, seen_in=f"runtime history {row.pk}", now=now)
