"""Evidence items and their chain of custody."""

from __future__ import annotations

from typing import Any

import pgtrigger
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.db import models
from django.db.models import Q

from evidence.format.wrapping import PACKED_NAMES
from evidence.handling import CHOICES, Tlp, strictest
from evidence.lookalikes import show_hidden
from evidence.models.append_only import REFUSE_TRUNCATING, AppendOnlyModel
from evidence.models.case_bound import CaseBound, CaseBoundManager
from evidence.models.columns import has_text, known, optional_person_field
from evidence.models.indexes import part_index
from evidence.models.triggers import Protect, ReadOnly, Trigger

SHA256_HEX = r"^[0-9a-f]{64}$"
REFUSE_UNRECORDED = """
    IF NEW.kind = OLD.kind AND NEW.own_tlp = OLD.own_tlp
       AND (NEW.latest_report_id, NEW.latest_outcome, NEW.latest_checked_at)
           IS NOT DISTINCT FROM
           (OLD.latest_report_id, OLD.latest_outcome, OLD.latest_checked_at) THEN
        RAISE EXCEPTION 'append-only: evidence % stays as it was received', NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.kind <> OLD.kind THEN
        SELECT to_kind INTO newest FROM evidence_kindchange
         WHERE item_id = NEW.id AND from_kind = OLD.kind ORDER BY id DESC LIMIT 1;
        IF NEW.kind IS DISTINCT FROM newest THEN
            RAISE EXCEPTION 'evidence % is %: no recorded change makes it %',
                NEW.id, OLD.kind, NEW.kind
                USING ERRCODE = 'integrity_constraint_violation';
        END IF;
    END IF;
    IF NEW.own_tlp <> OLD.own_tlp AND NOT EXISTS (
        SELECT 1 FROM evidence_markchange
         WHERE id = (SELECT max(id) FROM evidence_markchange WHERE item_id = NEW.id)
           AND from_tlp = OLD.own_tlp AND to_tlp = NEW.own_tlp) THEN
        RAISE EXCEPTION 'evidence % is marked %: no recorded change makes it %',
            NEW.id, OLD.own_tlp, NEW.own_tlp
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""
SHOW_NEWEST_REPORT = """
    -- That a digest matched says nothing of a bundle: its kind was changed since.
    SELECT id, outcome, finished_at INTO newest FROM evidence_verificationreport
     WHERE item_id = NEW.id
       AND NOT (NEW.kind IN ('bundle', 'ledger') AND outcome = 'digest_only')
     ORDER BY id DESC LIMIT 1;
    shown := (NEW.latest_report_id, NEW.latest_outcome, NEW.latest_checked_at);
    IF TG_OP = 'UPDATE' THEN
        was := (OLD.latest_report_id, OLD.latest_outcome, OLD.latest_checked_at);
    END IF;
    IF shown IS DISTINCT FROM (newest.id, newest.outcome, newest.finished_at)
       AND (TG_OP = 'INSERT' OR shown IS DISTINCT FROM was) THEN
        RAISE EXCEPTION 'evidence %: its newest report does not say so', NEW.id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    NEW.latest_report_id := newest.id;
    NEW.latest_outcome := newest.outcome;
    NEW.latest_checked_at := newest.finished_at;
    RETURN NEW;
"""
"""Whatever is written to an item, it shows what its newest report found."""


class EvidenceKind(models.TextChoices):
    BUNDLE = "bundle", "Incident evidence bundle"
    LEDGER = "ledger", "Runtime risk ledger"
    POLICY_SNAPSHOT = "policy_snapshot", "Policy snapshot"
    POLICY_EXPLANATION = "policy_explanation", "Policy explanation"
    SCAN_RESULT = "scan_result", "Scan result"
    EXTENSION_SOURCE = "extension_source", "Extension source"
    LOG = "log", "Log"
    OTHER = "other", "Other"


VERIFIABLE_KINDS = (EvidenceKind.BUNDLE, EvidenceKind.LEDGER)


class Outcome(models.TextChoices):
    """How a verification ended. Only VERIFIED says that the content is sound."""

    VERIFIED = "verified", "Verified"
    FAILED = "failed", "Failed verification"
    REFUSED = "refused", "Refused"
    DAMAGED = "damaged", "Damaged"
    DIGEST_ONLY = "digest_only", "Digest only"
    UNFINISHED = "unfinished", "Could not be verified"


NOT_VERIFIED = Q(kind__in=("bundle", "ledger")) & (
    Q(latest_outcome__isnull=True)
    | Q(latest_outcome__in=("failed", "refused", "damaged", "unfinished"))
)
"""As an index has it, word for word: the planner takes it for what says the same."""


class Channel(models.TextChoices):
    """By which door something came in or went out."""

    ADMIN = "admin", "Web admin"
    API = "api", "API"
    COMMAND = "command", "Command line"
    WORKER = "worker", "Worker"


LATEST = ("latest_report_id", "latest_outcome", "latest_checked_at")
"""What an item shows of its newest report; worked out anew, so recorded nowhere."""


class EvidenceItemQuerySet(models.QuerySet["EvidenceItem"]):
    def visible_to(self, user: AbstractUser | AnonymousUser) -> EvidenceItemQuerySet:
        """Return the evidence of the incidents that this person may see."""
        if not user.is_active or not user.has_perm("evidence.view_evidenceitem"):
            return self.none()
        incidents: Any = EvidenceItem._meta.get_field("incident").related_model
        return self.filter(incident__in=incidents.objects.visible_to(user))

    def marked(self, *marks: Tlp | str) -> EvidenceItemQuerySet:
        """Return what is handled by one of these marks, its case's included."""
        found = Q()
        for mark in map(Tlp, marks):
            upto = [m.value for m in Tlp if m.rank <= mark.rank]
            own = Q(own_tlp=mark.value, incident__tlp__in=upto)
            found |= own | Q(incident__tlp=mark.value, own_tlp__in=upto)
        return self.filter(found)

    def arrived(self) -> EvidenceItemQuerySet:
        """Return what came from outside: no export, and nothing a worker made here."""
        return self.filter(derived_from__isnull=True).exclude(channel=Channel.WORKER)

    def unverified(self) -> EvidenceItemQuerySet:
        """Return bundles and ledgers whose newest report is not one of success."""
        return self.filter(NOT_VERIFIED)


class EvidenceItem(AppendOnlyModel, CaseBound):
    """Bytes that were received for an incident. The bytes live in evidence/storage.

    `sha256_hex` is computed by the server while the bytes stream in and is the
    address they are stored under. What later happens to an item (reports, custody,
    exports) are rows of their own. Of this row only the kind and the mark change, and
    only to what a KindChange or a MarkChange says; and what its newest report found,
    which triggers keep beside it, so that a list need not look it up for each row.
    """

    case_paths = ("incident",)

    changeable_columns = ("kind", "own_tlp", *LATEST)

    incident = models.ForeignKey(
        "incidents.Incident",
        on_delete=models.PROTECT,
        related_name="evidence_items",
        db_index=False,
    )
    sha256_hex = models.CharField("SHA-256", max_length=64)
    size_bytes = models.PositiveBigIntegerField("size in bytes")
    kind = models.CharField(max_length=30, choices=EvidenceKind)
    content = models.CharField(
        max_length=60,
        blank=True,
        help_text="What the bytes are by their structure: JSON, SARIF, lines of text.",
    )
    wrapping = models.CharField(
        max_length=60,
        blank=True,
        help_text="What is read through to verify it, outermost first: gzip, UTF-16. "
        "The stored bytes are those that were sent.",
    )
    original_name = models.CharField(max_length=255)
    media_type = models.CharField(max_length=127)
    channel = models.CharField("received by", max_length=10, choices=Channel)
    source = models.CharField(
        max_length=200,
        blank=True,
        help_text="Where the sender says it comes from: a host, a gate, a person.",
    )
    received_at = models.DateTimeField()
    received_by = optional_person_field()
    derived_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="derived_items",
        help_text="The stored bundle that this one was exported from.",
    )
    own_tlp = models.CharField(
        "own mark",
        max_length=10,
        choices=CHOICES,
        default=Tlp.CLEAR.value,
        db_default=Tlp.CLEAR.value,
        help_text="A mark of its own: it is handled by this or the case's, whichever "
        "is stricter.",
    )

    latest_report_id = models.BigIntegerField(null=True, editable=False)
    latest_outcome = models.CharField(  # noqa: DJ001 (null: no report says anything)
        max_length=12, choices=Outcome, null=True, editable=False
    )
    latest_checked_at = models.DateTimeField(null=True, editable=False)

    objects = CaseBoundManager.from_queryset(EvidenceItemQuerySet)()
    everything = EvidenceItemQuerySet.as_manager()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-received_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("incident", "sha256_hex"), name="evidence_once_per_incident"
            ),
            models.CheckConstraint(
                condition=Q(sha256_hex__regex=SHA256_HEX), name="evidence_sha256_hex"
            ),
            known("evidence_kind_known", "kind", EvidenceKind),
            known("evidence_channel_known", "channel", Channel),
            known("evidence_mark_known", "own_tlp", Tlp),
        )
        indexes = (
            models.Index(fields=("sha256_hex",), name="evidence_sha256"),
            models.Index(fields=("received_at",), name="evidence_received_at"),
            part_index("original_name", "evidence_part_of_name"),
            models.Index(
                fields=("latest_outcome", "received_at"), name="evidence_by_outcome"
            ),
            models.Index(
                fields=("incident", "received_at"),
                condition=NOT_VERIFIED,
                name="evidence_not_verified",
            ),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(name="received_as_it_is", exclude=["kind", "own_tlp", *LATEST]),
            Trigger(
                name="kind_is_its_newest_change",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                declare=[("newest", "text")],
                func=REFUSE_UNRECORDED,
            ),
            Trigger(
                name="shows_its_newest_report",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.Update,
                declare=[("newest", "record"), ("shown", "record"), ("was", "record")],
                func=SHOW_NEWEST_REPORT,
            ),
            REFUSE_TRUNCATING,
        )
        permissions = (
            ("verify_evidenceitem", "Can have evidence verified"),
            ("download_evidenceitem", "Can download evidence"),
            ("export_evidenceitem", "Can export evidence"),
            ("export_unredacted", "Can export evidence unredacted"),
        )

    def __str__(self) -> str:
        return f"{self.shown_name} ({self.sha256_hex[:12]})"

    @property
    def shown_name(self) -> str:
        """The name with direction and invisible characters as their code points."""
        return show_hidden(self.original_name)

    @property
    def tlp(self) -> Tlp:
        """How it is handled: by its own mark or its case's, which may cost a query."""
        return strictest(self.own_tlp, self.incident.tlp)

    @property
    def is_verifiable(self) -> bool:
        """Return whether its content has a verifier: a bundle or a ledger."""
        return self.kind in VERIFIABLE_KINDS

    @property
    def is_packed(self) -> bool:
        """Return whether it is an archive that is named and not read through."""
        return self.content in PACKED_NAMES


class KindChange(AppendOnlyModel, CaseBound):
    """That an item is of another kind than was thought: who said so, when and why."""

    case_paths = ("item__incident",)

    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="kind_changes"
    )
    from_kind = models.CharField(max_length=30, choices=EvidenceKind)
    to_kind = models.CharField(max_length=30, choices=EvidenceKind)
    reason = models.TextField()
    changed_at = models.DateTimeField()
    changed_by = optional_person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(
                    from_kind__in=EvidenceKind.values, to_kind__in=EvidenceKind.values
                ),
                name="kind_change_kinds_known",
            ),
            models.CheckConstraint(
                condition=~Q(from_kind=models.F("to_kind")), name="kind_change_changes"
            ),
            has_text("kind_change_has_reason"),
        )

    def __str__(self) -> str:
        return f"{self.get_from_kind_display()} → {self.get_to_kind_display()}"


class CustodyKind(models.TextChoices):
    RECEIVED = "received", "Received"
    VIEWED = "viewed", "Viewed"
    VERIFIED = "verified", "Verified"
    DOWNLOADED = "downloaded", "Downloaded"
    EXPORTED = "exported", "Exported"
    RECLASSIFIED = "reclassified", "Kind changed"
    TAKEN_OVER = "taken_over", "Taken over by another case"
    DAMAGED = "damaged", "Found damaged"
    REPAIRED = "repaired", "Sound again"


class CustodyEvent(AppendOnlyModel, CaseBound):
    """One link of an item's chain of custody: who did what, when, from where."""

    case_paths = ("item__incident",)

    item = models.ForeignKey(
        EvidenceItem, on_delete=models.PROTECT, related_name="custody_events"
    )
    kind = models.CharField(max_length=12, choices=CustodyKind)
    happened_at = models.DateTimeField()
    actor = optional_person_field()
    actor_name = models.CharField(max_length=150)
    channel = models.CharField(max_length=10, choices=Channel)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    original_name = models.CharField(
        max_length=255, blank=True, help_text="Received: the name it came under."
    )
    source = models.CharField(
        max_length=200, blank=True, help_text="Received: where it came from."
    )
    detail = models.CharField(max_length=300, blank=True)

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-happened_at", "-id")
        constraints = (
            known("custody_kind_known", "kind", CustodyKind),
            known("custody_channel_known", "channel", Channel),
        )
        indexes = (
            models.Index(fields=("happened_at",), name="custody_happened_at"),
            part_index(
                "original_name",
                "custody_part_of_name",
                condition=Q(kind=CustodyKind.RECEIVED.value),
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} by {self.actor_name}"
