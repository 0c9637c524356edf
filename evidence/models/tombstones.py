"""Tombstones: what stays of rows that were pruned after their case was archived.

A tombstone is also the only key to the door: rows of a replay are deleted, and the
document of an alert is emptied, where a tombstone names them, and nowhere else. The
database takes one only for a case that is closed, archived and on no hold, while an
approved request to prune it is being carried out.
"""

from __future__ import annotations

import pgtrigger
from django.db import models
from django.db.models import Q

from evidence.models.append_only import AppendOnlyModel
from evidence.models.case_bound import CaseBound
from evidence.models.columns import known, person_field
from evidence.models.triggers import Trigger

ONLY_AS_APPROVED = """
    -- Who puts the case on hold waits for this, or this waits for them.
    PERFORM FROM incidents_incident WHERE id = NEW.incident_id FOR UPDATE;
    IF NOT EXISTS (
        SELECT FROM incidents_prunerequest AS request
          JOIN incidents_prunerun AS run ON run.request_id = request.id
          JOIN incidents_incident AS one ON one.id = request.incident_id
          JOIN incidents_casearchive AS kept ON kept.id = request.archive_id
         WHERE request.id = NEW.request_id AND request.state = 'approved'
           AND request.incident_id = NEW.incident_id
           AND request.requested_by_id = NEW.requested_by_id
           AND request.decided_by_id = NEW.approved_by_id
           AND run.state = 'running' AND one.closed_at IS NOT NULL
           AND kept.id = NEW.archive_id AND kept.incident_id = NEW.incident_id
           AND kept.state = 'done' AND kept.redaction IS NULL
           AND kept.requested_at >= one.closed_at
           AND kept.sha256_hex = NEW.archive_sha256_hex
    ) THEN
        RAISE EXCEPTION 'nothing of case % is pruned without an approved request that '
            'is being carried out, and a whole archive made since it was closed',
            NEW.incident_id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF EXISTS (SELECT FROM incidents_casehold
                WHERE incident_id = NEW.incident_id AND released_at IS NULL) THEN
        RAISE EXCEPTION 'case % is on hold: nothing of it is pruned', NEW.incident_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NOT EXISTS (
        SELECT FROM incidents_alert
         WHERE NEW.kind = 'alert_document' AND id = NEW.row_key
           AND incident_id = NEW.incident_id AND document_sha256 = NEW.sha256_hex
         UNION ALL
        SELECT FROM evidence_verificationreport AS report
          JOIN evidence_evidenceitem AS item ON item.id = report.item_id
         WHERE NEW.kind = 'replay' AND report.id = NEW.row_key
           AND item.incident_id = NEW.incident_id
           AND report.step_count = NEW.row_count
    ) THEN
        RAISE EXCEPTION 'case % has no such % to prune: %',
            NEW.incident_id, NEW.kind, NEW.row_key
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""
ONLY_PRUNED_STEPS = """
    IF NOT EXISTS (SELECT FROM evidence_tombstone
                    WHERE kind = 'replay' AND row_key = OLD.report_id) THEN
        RAISE EXCEPTION 'append-only: % keeps its rows; report % was not pruned',
            TG_TABLE_NAME, OLD.report_id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
"""
ONLY_PRUNED_DOCUMENTS = """
    IF NEW.document IS NOT NULL OR NOT EXISTS (
            SELECT FROM evidence_tombstone
             WHERE kind = 'alert_document' AND row_key = OLD.id) THEN
        RAISE EXCEPTION 'alert % keeps its document: it was not pruned', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
"""


class TombstoneKind(models.TextChoices):
    """What was pruned."""

    REPLAY = "replay", "Replay steps of a report"
    ALERT_DOCUMENT = "alert_document", "Document of an alert"


class Tombstone(AppendOnlyModel, CaseBound):
    """What was pruned of a case, when, by whom, and in which archive it is.

    `row_key` is the ID of the report or of the alert. `sha256_hex` is what it hashed
    to: a document's canonical hash, or SHA-256 over a replay's steps, a canonical
    document a line (docs/retention.md). `kept` is what others still rely on.
    """

    case_paths = ("incident",)

    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.PROTECT, related_name="tombstones"
    )
    request = models.ForeignKey(
        "incidents.PruneRequest", on_delete=models.PROTECT, related_name="tombstones"
    )
    kind = models.CharField(max_length=20, choices=TombstoneKind)
    row_key = models.BigIntegerField("ID of what it belonged to")
    row_count = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField(
        help_text="What it took in the database."
    )
    sha256_hex = models.CharField("SHA-256 of what was pruned", max_length=64)
    kept = models.JSONField(default=dict, blank=True)
    archive = models.ForeignKey(
        "incidents.CaseArchive", on_delete=models.PROTECT, related_name="tombstones"
    )
    archive_sha256_hex = models.CharField("SHA-256 of the archive", max_length=64)
    pruned_at = models.DateTimeField()
    requested_by = person_field()
    approved_by = person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("id",)
        constraints = (
            known("tombstone_kind_known", "kind", TombstoneKind),
            models.UniqueConstraint(fields=("kind", "row_key"), name="tombstone_once"),
            models.CheckConstraint(
                condition=Q(sha256_hex__regex=r"^[0-9a-f]{64}$"),
                name="tombstone_has_digest",
            ),
        )
        triggers = (
            *AppendOnlyModel.Meta.triggers,
            Trigger(
                name="only_as_approved",
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=ONLY_AS_APPROVED,
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.row_key}, pruned"
