"""Rollbacks: planned, approved, applied with proof, verified against a snapshot."""

import pgtrigger
from django.db import models
from django.db.models import Q

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound
from evidence.models.columns import has_text, optional_person_field, person_field
from evidence.models.triggers import Protect, Trigger
from policy.models.requests import (
    ReviewedRequest,
    request_constraints,
    request_triggers,
)
from policy.models.snapshots import PolicySnapshot

PROOF_IS_OF_THE_CASE = """
    IF NOT EXISTS (
        SELECT 1 FROM policy_rollback AS rollback
          JOIN policy_policysnapshot AS snapshot ON snapshot.id = NEW.snapshot_id
         WHERE rollback.id = NEW.rollback_id
           AND rollback.state IN ('approved', 'applied')
           AND snapshot.incident_id = rollback.incident_id
           AND snapshot.captured_at >= rollback.decided_at) THEN
        RAISE EXCEPTION 'snapshot % is no proof of rollback %: of another case, older '
            'than its approval, or it is not approved', NEW.snapshot_id, NEW.rollback_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""
SHOWN_BY_NEWEST_PROOF = """
    IF NOT EXISTS (
        SELECT 1 FROM policy_rollbackproof AS proof
         WHERE proof.id = (SELECT max(id) FROM policy_rollbackproof
                            WHERE rollback_id = NEW.id)
           AND (proof.deviations = '[]'::jsonb) = (NEW.state = 'verified')) THEN
        RAISE EXCEPTION 'rollback % cannot be %: its newest proof does not show it',
            NEW.id, NEW.state USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""


class RollbackState(models.TextChoices):
    """How far a rollback has come: those of every request, and what follows."""

    PROPOSED = "proposed", "Proposed"
    DECLINED = "declined", "Declined"
    WITHDRAWN = "withdrawn", "Withdrawn"
    LAPSED = "lapsed", "Lapsed"
    APPROVED = "approved", "Approved"
    APPLIED = "applied", "Applied, not as planned"
    VERIFIED = "verified", "Verified"
    CLOSED = "closed", "Closed without verification"


STATES_TO_PROVE = (RollbackState.APPROVED, RollbackState.APPLIED)
"""Approved, and not proved yet: these can be applied, and closed without it."""


class Rollback(ReviewedRequest, CaseBound):
    """A plan to go back to safe defaults or to an earlier snapshot.

    The plan itself (`before`, `after`, `effects`, `planned`, `commands`, `notes`) is
    fixed when it is proposed. It is verified only by a proof without deviations; until
    then it stays open, or is closed with a reason. Every proof is kept.
    """

    case_paths = ("incident",)

    what = "rollback"
    asked = "proposed"

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
    closed_at = models.DateTimeField(null=True, blank=True)
    closed_by = optional_person_field()
    closing_reason = models.TextField(blank=True)

    class Meta(ReviewedRequest.Meta):
        abstract = False
        constraints = (
            *request_constraints(
                "rollback", RollbackState, waiting=RollbackState.PROPOSED
            ),
            models.CheckConstraint(
                condition=Q(
                    state=RollbackState.CLOSED,
                    closed_at__isnull=False,
                    closed_by__isnull=False,
                )
                & ~Q(closing_reason="")
                | ~Q(state=RollbackState.CLOSED)
                & Q(closed_at__isnull=True, closed_by__isnull=True, closing_reason=""),
                name="rollback_closed_with_reason",
            ),
        )
        triggers = (
            *request_triggers(
                (
                    "incident",
                    "snapshot",
                    "target_snapshot",
                    "risk_choice",
                    "override_choice",
                    "before",
                    "after",
                    "effects",
                    "planned",
                    "commands",
                    "notes",
                ),
                waiting=RollbackState.PROPOSED,
                later_moves=(
                    (RollbackState.APPROVED, RollbackState.APPLIED),
                    (RollbackState.APPROVED, RollbackState.VERIFIED),
                    (RollbackState.APPROVED, RollbackState.CLOSED),
                    (RollbackState.APPLIED, RollbackState.VERIFIED),
                    (RollbackState.APPLIED, RollbackState.CLOSED),
                ),
            ),
            Protect(
                name="closed_stays_closed",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__closed_at__isnull=False),
            ),
            Trigger(
                name="shown_by_newest_proof",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("state"),
                condition=pgtrigger.Q(
                    new__state__in=[RollbackState.APPLIED, RollbackState.VERIFIED]
                ),
                func=SHOWN_BY_NEWEST_PROOF,
            ),
        )

    def __str__(self) -> str:
        target = self.target_snapshot or "safe defaults"
        return f"rollback to {target}: {self.get_state_display()}"

    @property
    def newest_proof(self) -> "RollbackProof | None":
        """What was given last to prove it. Costs a query unless proofs are loaded."""
        return max(self.proofs.all(), key=lambda proof: proof.pk, default=None)

    @property
    def deviations(self) -> list[dict[str, str]]:
        """What the newest proof has not as planned; empty where there is none yet."""
        proof = self.newest_proof
        return proof.deviations if proof else []


class RollbackProof(AppendOnlyModel, CaseBound):
    """One try to prove a rollback: a snapshot taken since, and what it has otherwise.

    `deviations` is empty where every point is as planned, by our reading of the
    settings and by the runtime's own explanation.
    """

    case_paths = ("rollback__incident",)

    rollback = models.ForeignKey(
        Rollback, on_delete=models.PROTECT, related_name="proofs"
    )
    snapshot = models.ForeignKey(
        PolicySnapshot, on_delete=models.PROTECT, related_name="proves_rollbacks"
    )
    command_output = models.TextField(
        help_text="What the verification commands showed."
    )
    deviations = models.JSONField(default=list, blank=True)
    given_at = models.DateTimeField()
    given_by = person_field()

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (has_text("rollback_proof_has_output", "command_output"),)
        triggers = (
            *AppendOnlyModel.Meta.triggers,
            Trigger(
                name="proof_is_of_the_case",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                func=PROOF_IS_OF_THE_CASE,
            ),
        )

    def __str__(self) -> str:
        return f"proof {self.pk} of {self.rollback}"
