"""Which tables are recorded, by which key, and which of their columns are not.

Everything of the apps is recorded, with who may do what, unless it is left out here or
by its model, with a reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps

from evidence.models.items import LATEST

APPS = ("evidence", "policy", "incidents")
ACCOUNTS = ("auth.User", "auth.Group")
LEFT_OUT = {
    # Hash chains of their own, or what this rests on.
    "evidence.AuditEntry",
    "evidence.RecordedRow",
    # The signed tree over the history, which verify_audit recomputes. A record of it
    # would be sealed by an entry, which adds to the tree again, without end.
    "evidence.LogLeaf",
    "evidence.LogSubtree",
    "evidence.LogCheckpoint",
    "evidence.LogCopy",
    # How far work has come, and what is worked out anew: nobody relies on it.
    "evidence.SentForm",
    "evidence.NotedRead",
    "evidence.StoreCheck",
    "incidents.ReminderCursor",
    "incidents.ReminderCheckState",
}
UNRECORDED_COLUMNS = {
    "auth.User": ("last_login",),
    "evidence.ApiToken": ("last_used_at", "last_used_from", "seen_networks"),
    "evidence.AuthenticatorApp": ("last_step", "last_used_at"),
    "evidence.EvidenceItem": LATEST,
    "evidence.Passkey": ("sign_count", "last_used_at"),
    "evidence.SignInIdentity": ("last_used_at",),
    "incidents.Incident": ("last_activity_at", "next_due_at", "late_at"),
    "incidents.ArchiveCopy": ("next_try_at", "attempts", "last_problem"),
    "incidents.Notification": ("next_try_at", "attempts", "attempts_left"),
}
"""What changes by itself, without anybody's doing; what an item shows of its newest
report is held against its reports."""
WORK_COLUMNS = ("progress_percent", "attempts", "last_problem", "touched_at")
GROUPED = {
    "evidence.ReplayStep": "report_id",
    "evidence.VerificationError": "report_id",
    "policy.ScanEntry": "report_id",
}
"""Lists of thousands, written at once: recorded by whom they belong to."""


@dataclass(frozen=True)
class RecordedTable:
    """A table, the column that names a record of it, and what is not recorded."""

    name: str
    key: str
    label: str
    is_grouped: bool = False
    left_out: tuple[str, ...] = ()


def find_recorded_tables() -> list[RecordedTable]:
    """Return every recorded table, by name."""
    found = {table.name: table for table in _tables()}
    return [found[name] for name in sorted(found)]


def _tables() -> Iterator[RecordedTable]:
    for model in apps.get_models():
        meta = model._meta
        if meta.label in LEFT_OUT or meta.proxy or not meta.managed:
            continue
        if meta.app_label in APPS or meta.label in ACCOUNTS:
            yield _table_of(model)
            yield from map(_table_of, _links_of(model))


def _links_of(model: Any) -> list[Any]:
    """Return the tables that Django makes by itself for a model's many-to-many."""
    throughs = [field.remote_field.through for field in model._meta.local_many_to_many]
    return [table for table in throughs if table._meta.auto_created]


def _table_of(model: Any) -> RecordedTable:
    meta = model._meta
    owner = GROUPED.get(meta.label)
    names = {field.column for field in meta.concrete_fields}
    left_out = UNRECORDED_COLUMNS.get(meta.label, ())
    if set(WORK_COLUMNS) <= names:
        left_out = WORK_COLUMNS
    return RecordedTable(
        name=meta.db_table,
        key=owner or meta.pk.column,
        label=str(meta.verbose_name),
        is_grouped=owner is not None,
        left_out=left_out,
    )
