"""A case's rows as documents: the lists below `records/` of an archive.

A document has the row's columns under their names: moments as `…_at_ms`, people by
their account's name, other rows by ID. `record` names the table, since some lists hold
the rows of several.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Field, ForeignKey, Model, Q, QuerySet

from evidence.audit.history import plain_json
from evidence.models import CustodyEvent, MarkChange, Outcome, VerificationReport
from evidence.stored_moments import to_ms
from incidents.models import (
    ActionItem,
    Alert,
    AlertAssignment,
    ArtifactLink,
    CaseHold,
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
    LooseningRequest,
    Notification,
    NotificationAttempt,
    Postmortem,
    PostmortemReview,
    PostmortemVersion,
    RemediationAction,
    RemediationDecision,
    ReviewVerdict,
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

CHUNK = 500
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
# When a row of an append-only table was written, by the first of these that it has.
MOMENTS = (
    *("recorded_at", "entered_at", "finished_at", "happened_at", "answered_at"),
    *("reviewed_at", "submitted_at", "assigned_at", "ordered_at", "received_at"),
    *("taken_at", "decided_at", "stated_at", "confirmed_at", "lifted_at"),
    *("moved_at", "given_at", "ended_at", "linked_at", "added_at", "changed_at"),
)
# What follows from other rows, those after the archive's moment too.
LEFT_OUT = frozenset({"last_activity_at"})


def record_documents(
    kind: str, incident: Incident, *, moment: dt.datetime, kill_switches: set[str]
) -> Iterator[dict[str, Any]]:
    """Yield a list's documents, of rows written up to a moment, in order of their keys.

    `kill_switches` are the IDs of the orders that the case's history tells of: one of
    another case may concern this one too.
    """
    for model, path in TABLES[kind]:
        rows = model._default_manager.filter(**{path: incident.pk})
        if model is KillSwitch:
            rows = model._default_manager.filter(pk__in=kill_switches)
        if model is PostmortemReview:
            rows = rows.filter(verdict=ReviewVerdict.SIGNED)
        for row in _up_to(rows, moment).order_by("pk").iterator(chunk_size=CHUNK):
            yield row_document(row)


def find_moment(model: type[Model]) -> str | None:
    """Return the column that says when a row of a table was written."""
    names = {field.name for field in model._meta.concrete_fields}
    return next((name for name in MOMENTS if name in names), None)


def _up_to(rows: QuerySet[Any], moment: dt.datetime) -> QuerySet[Any]:
    written = find_moment(rows.model)
    if written is None or not getattr(rows.model, "append_only", False):
        return rows
    return rows.filter(Q(**{f"{written}__lte": moment}))


def row_document(row: Model) -> dict[str, Any]:
    """Return a row's columns as a JSON object; a report's with its item's digest."""
    document: dict[str, Any] = {"record": row._meta.label_lower}
    for column in row._meta.concrete_fields:
        if column.name in LEFT_OUT:
            continue
        name, value = _name_and_value(row, column)
        document[name] = plain_json(value)
    if isinstance(row, VerificationReport):
        document["sha256"] = row.item.sha256_hex
        document["outcome"] = VERDICTS.get(Outcome(row.outcome), row.outcome)
    return document


def _name_and_value(row: Model, column: Field[Any, Any]) -> tuple[str, Any]:
    value = getattr(row, column.attname)
    if isinstance(value, dt.datetime):
        return f"{column.name}_ms", to_ms(value)
    if isinstance(column, ForeignKey):
        if column.related_model is User:
            person: User | None = getattr(row, column.name)
            return column.name, None if person is None else person.get_username()
        return column.attname, value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return column.name, write(value)
    return column.name, value


_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (dt.timedelta, lambda value: int(value.total_seconds() * 1000)),
    ((bytes, memoryview), lambda value: bytes(value).hex()),
)
