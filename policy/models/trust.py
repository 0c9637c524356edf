"""Trust: who asked for a move, who approved it, and the history that follows."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from evidence.models import AppendOnlyModel
from evidence.models.case_bound import CaseBound
from evidence.models.choices import choices_of
from evidence.models.columns import has_text, known, optional_person_field
from evidence.models.triggers import Trigger
from policy.models.extensions import Extension
from policy.models.requests import (
    RequestState,
    ReviewedRequest,
    request_constraints,
    request_triggers,
)
from policy.rules.trust import ALLOWED_MOVES, TrustState

CONTINUE_HISTORY = """
    SELECT to_state INTO current FROM policy_trusttransition
     WHERE extension_id = NEW.extension_id ORDER BY id DESC LIMIT 1;
    IF NEW.from_state <> COALESCE(current, 'unknown') THEN
        RAISE EXCEPTION 'extension % is %: a move cannot start at %',
            NEW.extension_id, COALESCE(current, 'unknown'), NEW.from_state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.to_state <> 'quarantined' AND EXISTS (
        SELECT 1 FROM policy_killswitch AS switch
         WHERE (switch.extension_id = NEW.extension_id OR switch.scope = 'all')
           AND NOT EXISTS (SELECT 1 FROM policy_killswitchlift AS lift
                            WHERE lift.kill_switch_id = switch.id)) THEN
        RAISE EXCEPTION 'a kill switch is active for extension %: % is refused',
            NEW.extension_id, NEW.to_state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
"""
MOVED_AS_APPROVED = """
    IF NOT EXISTS (
        SELECT 1 FROM policy_promotionrequest AS request
         WHERE request.id = NEW.request_id
           AND request.extension_id = NEW.extension_id
           AND request.to_state = NEW.to_state
           AND request.state = 'approved'
           AND request.requested_by_id = NEW.requested_by_id
           AND request.decided_by_id = NEW.approved_by_id) THEN
        RAISE EXCEPTION 'no approved request to move extension % to % by these people',
            NEW.extension_id, NEW.to_state
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""
MOVE_FOLLOWS = """
    IF NOT EXISTS (SELECT 1 FROM policy_trusttransition WHERE request_id = NEW.id) THEN
        RAISE EXCEPTION 'promotion request % is approved: its move has to be made',
            NEW.id USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""
REFUSE_STATE_LEFT_BEHIND = """
    IF EXISTS (
        SELECT 1 FROM policy_extension AS extension
         WHERE extension.id = NEW.extension_id
           AND extension.trust_state <> (
               SELECT to_state FROM policy_trusttransition
                WHERE extension_id = NEW.extension_id ORDER BY id DESC LIMIT 1)) THEN
        RAISE EXCEPTION 'extension % has to show its newest move', NEW.extension_id
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
"""


def is_listed_move() -> Q:
    """Return the condition that a row's move is one of the state machine's."""
    moves = Q()
    for from_state, targets in ALLOWED_MOVES.items():
        moves |= Q(
            from_state=from_state.value,
            to_state__in=sorted(target.value for target in targets),
        )
    return moves


class PromotionRequest(ReviewedRequest, CaseBound):
    """A request for a move that a reviewer must approve."""

    case_paths = ("incident", "kill_switch__incident")

    extension = models.ForeignKey(
        Extension, on_delete=models.PROTECT, related_name="promotion_requests"
    )
    to_state = models.CharField(max_length=12, choices=choices_of(TrustState))
    incident = models.ForeignKey(
        "incidents.Incident",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="promotion_requests",
    )
    kill_switch = models.ForeignKey(
        "policy.KillSwitch",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="release_requests",
        help_text="The lifted kill-all whose extensions are released in one request.",
    )

    class Meta(ReviewedRequest.Meta):
        abstract = False
        constraints = (
            *request_constraints("promotion"),
            known("promotion_to_state_known", "to_state", TrustState),
            models.UniqueConstraint(
                fields=("extension",),
                condition=Q(state=RequestState.PENDING),
                name="promotion_one_pending",
            ),
        )
        triggers = (
            *request_triggers(("extension", "to_state", "incident", "kill_switch")),
            Trigger(
                name="move_follows",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.UpdateOf("state"),
                condition=pgtrigger.Q(new__state=RequestState.APPROVED),
                timing=pgtrigger.Deferred,
                func=MOVE_FOLLOWS,
            ),
        )

    def __str__(self) -> str:
        return f"{self.extension} to {self.to_state}: {self.get_state_display()}"


class TrustTransition(AppendOnlyModel, CaseBound):
    """One move of an extension's trust. The newest one is its state.

    `approved_by` is the reviewer where the move needs one. The database refuses a move
    that the state machine does not have, a promotion without a request that a second
    person approved, a move that does not start where the one before ended, one out of
    quarantine or upwards while a kill switch is active, and at commit one that its
    extension does not show.
    """

    case_paths = ("incident", "kill_switch__incident")

    extension = models.ForeignKey(
        Extension, on_delete=models.PROTECT, related_name="trust_transitions"
    )
    from_state = models.CharField(max_length=12, choices=choices_of(TrustState))
    to_state = models.CharField(max_length=12, choices=choices_of(TrustState))
    reason = models.TextField()
    incident = models.ForeignKey(
        "incidents.Incident",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="trust_transitions",
    )
    moved_at = models.DateTimeField()
    requested_by = optional_person_field()
    requested_by_name = models.CharField(max_length=150)
    approved_by = optional_person_field()
    request = models.OneToOneField(
        PromotionRequest,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="transition",
        help_text="What the reviewer approved, where the move needs one.",
    )
    exception = models.TextField(
        blank=True, help_text="Why an open case need not stand in the way."
    )
    kill_switch = models.ForeignKey(
        "policy.KillSwitch",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="transitions",
        help_text="The order that made this move, where one did.",
    )

    class Meta(AppendOnlyModel.Meta):
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=is_listed_move(), name="trust_move_exists"
            ),
            has_text("trust_move_has_reason"),
            models.CheckConstraint(
                condition=Q(approved_by__isnull=True)
                | (Q(requested_by__isnull=False) & ~Q(approved_by=F("requested_by"))),
                name="trust_approver_is_second_person",
            ),
            models.CheckConstraint(
                condition=Q(request__isnull=True) | Q(approved_by__isnull=False),
                name="trust_request_has_its_approver",
            ),
            models.CheckConstraint(
                condition=(
                    ~Q(from_state=TrustState.QUARANTINED.value)
                    & ~Q(to_state=TrustState.TRUSTED.value)
                )
                | Q(approved_by__isnull=False),
                name="trust_promotion_has_approver",
            ),
        )
        triggers = (
            *AppendOnlyModel.Meta.triggers,
            Trigger(
                name="continue_history",
                level=pgtrigger.Row,
                when=pgtrigger.Before,
                operation=pgtrigger.Insert,
                declare=[("current", "text")],
                func=CONTINUE_HISTORY,
            ),
            Trigger(
                name="moved_as_approved",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                condition=pgtrigger.Q(new__approved_by__isnull=False),
                func=MOVED_AS_APPROVED,
            ),
            Trigger(
                name="extension_shows_it",
                level=pgtrigger.Row,
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func=REFUSE_STATE_LEFT_BEHIND,
            ),
        )

    def __str__(self) -> str:
        return f"{self.extension}: {self.from_state} → {self.to_state}"
