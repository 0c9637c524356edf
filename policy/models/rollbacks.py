"""Rollbacks: planned, approved, applied with proof, verified against a snapshot."""

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import F, Q

from evidence.models.triggers import Protect, ReadOnly
from policy.models.snapshots import PolicySnapshot


class RollbackState(models.TextChoices):
    PROPOSED = "proposed", "Proposed"
    DECLINED = "declined", "Declined"
    APPROVED = "approved", "Approved"
    APPLIED = "applied", "Applied, decisions not as planned"
    VERIFIED = "verified", "Verified"


class Rollback(models.Model):
    """A plan to go back to safe defaults or to an earlier snapshot.

    The plan itself (`before`, `after`, `effects`, `planned`, `commands`, `notes`) is
    fixed when it is proposed. It is verified only by a new snapshot whose decisions
    are the planned ones; until then it stays open and `deviations` say which are not.
    """

    incident = models.ForeignKey(
        "incidents.Incident", on_delete=models.PROTECT, related_name="rollbacks"
    )
    snapshot = models.ForeignKey(
        PolicySnapshot, on_delete=models.PROTECT, related_name="rollbacks"
    )
    target_snapshot = models.ForeignKey(
        PolicySnapshot,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="rollbacks_to_it",
        help_text="Empty: the plan goes back to safe defaults.",
    )
    reason = models.TextField()
    risk_choice = models.CharField(max_length=20, blank=True)
    override_choice = models.CharField(max_length=20, blank=True)
    before = models.JSONField()
    after = models.JSONField()
    effects = models.JSONField(default=list)
    planned = models.JSONField(default=list)
    commands = models.JSONField(default=list)
    notes = models.JSONField(default=list)
    state = models.CharField(
        max_length=10, choices=RollbackState, default=RollbackState.PROPOSED
    )
    proposed_at = models.DateTimeField()
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    decision_reason = models.TextField(blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    applied_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
    )
    proof_snapshot = models.ForeignKey(
        PolicySnapshot,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="proves_rollbacks",
    )
    command_output = models.TextField(blank=True)
    deviations = models.JSONField(default=list)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=RollbackState.values),
                name="rollback_state_known",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("proposed_by")),
                name="rollback_decided_by_second_person",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[RollbackState.PROPOSED, RollbackState.DECLINED])
                | Q(decided_by__isnull=False),
                name="rollback_approved_before_applied",
            ),
            models.CheckConstraint(
                condition=~Q(state=RollbackState.VERIFIED)
                | Q(proof_snapshot__isnull=False, deviations=[]),
                name="rollback_verified_by_snapshot",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="rollback_has_reason"),
        )
        triggers = (
            Protect(name="never_deleted", operation=pgtrigger.Delete),
            Protect(
                name="ended_stays_ended",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(
                    old__state__in=[RollbackState.DECLINED, RollbackState.VERIFIED]
                ),
            ),
            ReadOnly(
                name="plan_is_fixed",
                fields=[
                    "incident",
                    "snapshot",
                    "target_snapshot",
                    "reason",
                    "before",
                    "after",
                    "effects",
                    "planned",
                    "commands",
                    "notes",
                    "proposed_by",
                ],
            ),
        )

    def __str__(self) -> str:
        target = self.target_snapshot or "safe defaults"
        return f"rollback to {target}: {self.get_state_display()}"
