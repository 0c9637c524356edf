"""A case's rows as documents: the lists below `records/` of an archive.

A document has the row's columns under their names: moments as `…_at_ms`, people by
their account's name, other rows by ID. `record` names the table, since some lists hold
the rows of several.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import User
from django.db.models import DateTimeField, Field, ForeignKey, Model

from evidence.audit.history import plain_json
from evidence.models import (
    CustodyEvent,
    MarkChange,
    Outcome,
    Tombstone,
    VerificationReport,
)
from evidence.stored_moments import to_ms
from incidents.models import (
    ActionItem,
    Alert,
    AlertAssignment,
    ArtifactLink,
    CaseHold,
    CaseReader,
    ChecklistEntry,
    ChecklistItem,
    Cycle,
    Finding,
    FindingReview,
    GateRecord,
    GateStatement,
    GateWaiver,
    Incident,
    IncidentPhase,
    LookIn,
    LooseningRequest,
    Notification,
    NotificationAttempt,
    Postmortem,
    PostmortemReview,
    PostmortemVersion,
    PruneRequest,
    RemediationAction,
    RemediationDecision,
    TicketLink,
    TimelineEntry,
)
from policy.models import (
    KillSwitch,
    KillSwitchConfirmation,
    KillSwitchLift,
    LiftRequest,
    PolicySnapshot,
    PromotionRequest,
    Rollback,
    RollbackProof,
    ScanReport,
    TrustTransition,
)

VERDICTS = {
    Outcome.VERIFIED: "valid",
    Outcome.FAILED: "invalid",
    Outcome.REFUSED: "refused",
}
# By list: the tables, each with the way from its rows to the case's ID.
TABLES: dict[str, tuple[tuple[type[Model], str], ...]] = {
    "incident": ((Incident, "pk"), (Cycle, "incident"), (TicketLink, "incident")),
    "phases": ((IncidentPhase, "cycle__incident"),),
    "checklist": (
        (ChecklistItem, "cycle__incident"),
        (ChecklistEntry, "item__cycle__incident"),
        (ArtifactLink, "item__cycle__incident"),
    ),
    "decisions": (
        (GateRecord, "phase__cycle__incident"),
        (GateStatement, "phase__cycle__incident"),
        (RemediationDecision, "item__cycle__incident"),
        (RemediationAction, "cycle__incident"),
        (MarkChange, "incident"),
        (LooseningRequest, "incident"),
        (CaseHold, "incident"),
        (PruneRequest, "incident"),
        (Tombstone, "incident"),
        (CaseReader, "incident"),
        (LookIn, "incident"),
    ),
    "waivers": ((GateWaiver, "phase__cycle__incident"),),
    "timeline": ((TimelineEntry, "incident"),),
    "alerts": ((Alert, "incident"), (AlertAssignment, "incident")),
    "findings": ((Finding, "incident"), (FindingReview, "finding__incident")),
    "reports": ((VerificationReport, "item__incident"),),
    "custody": ((CustodyEvent, "item__incident"),),
    "trust": (
        (TrustTransition, "incident"),
        (PromotionRequest, "incident"),
        (KillSwitchConfirmation, "kill_switch__incident"),
        (LiftRequest, "kill_switch__incident"),
        (KillSwitchLift, "kill_switch__incident"),
    ),
    "kill_switches": ((KillSwitch, "incident"),),
    "snapshots": ((PolicySnapshot, "incident"),),
    "rollbacks": ((Rollback, "incident"), (RollbackProof, "rollback__incident")),
    "scans": ((ScanReport, "item__incident"),),
    "postmortems": (
        (Postmortem, "cycle__incident"),
        (PostmortemVersion, "postmortem__cycle__incident"),
    ),
    "signatures": ((PostmortemReview, "version__postmortem__cycle__incident"),),
    "action_items": ((ActionItem, "incident"),),
    "notifications": (
        (Notification, "incident"),
        (NotificationAttempt, "notification__incident"),
    ),
}
# What follows from other rows, those of tables that are not listed too.
LEFT_OUT = frozenset({"last_activity_at", "next_due_at", "late_at"})


def row_document(
    row: Model,
    name_of: Callable[[int | None], str | None],
    *,
    leave_out: str | None = None,
) -> dict[str, Any]:
    """Return a row's columns as a JSON object; a report's with its item's digest.

    `name_of` says how the person of an ID is called; `leave_out` is a column's name.
    """
    document: dict[str, Any] = {"record": row._meta.label_lower}
    for column in row._meta.concrete_fields:
        if column.name in LEFT_OUT or column.name == leave_out:
            continue
        name, value = _name_and_value(row, column, name_of)
        document[name] = plain_json(value)
    if isinstance(row, VerificationReport):
        document["sha256"] = row.item.sha256_hex
        document["outcome"] = VERDICTS.get(Outcome(row.outcome), row.outcome)
    return document


def _name_and_value(
    row: Model, column: Field[Any, Any], name_of: Callable[[int | None], str | None]
) -> tuple[str, Any]:
    value = getattr(row, column.attname)
    if isinstance(column, DateTimeField):
        return f"{column.name}_ms", None if value is None else to_ms(value)
    if isinstance(column, ForeignKey):
        if column.related_model is User:
            return column.name, name_of(value)
        return column.attname, value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return column.name, write(value)
    return column.name, value


_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (dt.timedelta, lambda value: int(value.total_seconds() * 1000)),
    ((bytes, memoryview), lambda value: bytes(value).hex()),
)
