"""Extensions: what alerts, bundles and people name."""

import re

import pgtrigger
from django.db import models

from evidence.lookalikes import show_hidden
from evidence.models import AppendOnlyModel, EvidenceItem
from evidence.models.case_bound import hidden_cases, shown_reference
from evidence.models.choices import choices_of
from evidence.models.columns import known
from evidence.models.indexes import any_case_index, part_index
from evidence.models.triggers import Protect, ReadOnly, Trigger
from policy.rules.trust import TrustState

REFUSE_OTHER_TRUST = """
    SELECT to_state INTO newest FROM policy_trusttransition
     WHERE extension_id = NEW.id ORDER BY id DESC LIMIT 1;
    IF NEW.trust_state <> COALESCE(newest, 'unknown') THEN
        RAISE EXCEPTION 'extension % is % by its newest move: not %',
            NEW.id, COALESCE(newest, 'unknown'), NEW.trust_state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""


OF_AN_ITEM = re.compile(r"\(([0-9a-f]{12})\)$")
"""How a first mention names an item of evidence: by its digest's beginning."""


class Extension(models.Model):
    """An extension of the runtime, made on first mention.

    `trust_state` repeats the newest trust transition, so that lists can show it; the
    history is the truth, and the database refuses a state that it does not have.
    """

    extension_id = models.CharField("extension ID", max_length=255, unique=True)
    name = models.CharField(max_length=255, blank=True)
    publisher = models.CharField(max_length=255, blank=True)
    lookalike_key = models.CharField(
        max_length=255,
        default="",
        editable=False,
        db_index=True,
        help_text="What a reader sees of the ID: look-alikes share it.",
    )
    notes = models.TextField(blank=True)
    trust_state = models.CharField(
        max_length=12,
        choices=choices_of(TrustState),
        default=TrustState.UNKNOWN.value,
        editable=False,
    )
    first_seen_at = models.DateTimeField()
    first_seen_in = models.CharField(
        max_length=200, blank=True, help_text="What mentioned it first."
    )

    class Meta:
        ordering = ("extension_id",)
        constraints = (known("extension_trust_state_known", "trust_state", TrustState),)
        indexes = (
            any_case_index("extension_id", "extension_id_any_case"),
            part_index("extension_id", "extension_part_of_id"),
            part_index("name", "extension_part_of_name"),
            part_index("publisher", "extension_part_of_publisher"),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            ReadOnly(
                name="first_mention_is_fixed",
                fields=[
                    "extension_id",
                    "lookalike_key",
                    "first_seen_at",
                    "first_seen_in",
                ],
            ),
            Trigger(
                name="trust_is_its_newest_move",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert | pgtrigger.UpdateOf("trust_state"),
                declare=[("newest", "text")],
                func=REFUSE_OTHER_TRUST,
            ),
        )
        permissions = (
            (
                "work_policy",
                "Can work policy: demote, kill, ask, take snapshots, propose, scan",
            ),
            ("review_policy", "Can approve promotions, lifts and rollbacks"),
        )

    def __str__(self) -> str:
        return show_hidden(self.name or self.extension_id)

    @property
    def shown_first_seen_in(self) -> str:
        """What mentioned it first; "" where that is hidden from who is looking."""
        text, by_digest = self.first_seen_in, OF_AN_ITEM.search(self.first_seen_in)
        if not by_digest or not hidden_cases():
            return shown_reference(text)
        # Under the guard: the item of a hidden case is not found.
        items = EvidenceItem.objects.filter(sha256_hex__startswith=by_digest[1])
        return text if items.exists() else ""

    @property
    def shown_id(self) -> str:
        """The ID with hidden characters as their code points."""
        return show_hidden(self.extension_id)


class ExtensionVersion(AppendOnlyModel):
    """A version of an extension that was seen, and when first."""

    extension = models.ForeignKey(
        Extension, on_delete=models.PROTECT, related_name="versions"
    )
    version = models.CharField(max_length=100)
    first_seen_at = models.DateTimeField()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-first_seen_at",)
        constraints = (
            models.UniqueConstraint(
                fields=("extension", "version"), name="extension_version_unique"
            ),
        )

    def __str__(self) -> str:
        return f"{self.extension} {self.version}"
