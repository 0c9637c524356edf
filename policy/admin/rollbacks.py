"""Rollbacks: the plan, who approved it, its proof, and what deviates."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from evidence.admin.base import person_of
from evidence.admin.telling import Waiting
from evidence.templatetags.casefile import badge
from policy.admin import forms
from policy.admin.pages import OfVisibleIncident, PageAction, PageAdmin
from policy.admin.reasoned import on_row, while_waiting
from policy.models import Rollback, RollbackState
from policy.models.rollbacks import STATES_TO_PROVE
from policy.services import rollbacks
from policy.services.changes import REVIEW_POLICY, WORK_POLICY
from policy.services.requests import lapses_at

_approve = on_row(
    rollbacks.approve_rollback,
    "rollback_id",
    Waiting("Approved. Apply it to the runtime, then take a snapshot as proof."),
)
_decline = on_row(rollbacks.decline_rollback, "rollback_id", "Declined.")
_withdraw = on_row(rollbacks.withdraw_rollback, "rollback_id", "Withdrawn.")
_close = on_row(
    rollbacks.close_rollback,
    "rollback_id",
    "Closed without verification. What was given as proof stays here.",
)


def _apply(request: HttpRequest, rollback: Rollback, data: dict[str, Any]) -> str:
    applied = rollbacks.apply_rollback(
        rollback_id=rollback.pk,
        proof_snapshot_id=data["proof"].pk,
        command_output=data["output"],
        actor=person_of(request),
    )
    if applied.state == RollbackState.VERIFIED:
        return "Verified: everything in the proof is as planned."
    count = len(applied.deviations)
    points = "1 point is" if count == 1 else f"{count} points are"
    return Waiting(f"Applied, and not verified: {points} not as planned.")


def _proposed(rollback: Rollback) -> Rollback | None:
    return rollback if rollback.state == RollbackState.PROPOSED else None


@admin.register(Rollback)
class RollbackAdmin(OfVisibleIncident, PageAdmin):
    list_display = (
        "target",
        "state_badge",
        "incident",
        "proposed_at",
        "proposed_by",
        "decided_by",
        "proved_at",
    )
    list_select_related = (
        "incident",
        "target_snapshot",
        "requested_by",
        "decided_by",
    )
    list_filter = ("state",)
    search_fields = ("incident__reference", "reason")
    page_template = "policy/rollback.html"
    page_related = (
        "incident",
        "snapshot",
        "target_snapshot",
        "requested_by",
        "decided_by",
        "closed_by",
    )
    page_actions = {
        **while_waiting(
            _proposed,
            {
                "approve": PageAction(
                    "Approve",
                    "Approve this plan",
                    forms.OptionalReasonForm,
                    _approve,
                    REVIEW_POLICY,
                    help="By somebody other than who proposed it.",
                    tone="main",
                ),
                "decline": PageAction(
                    "Decline",
                    "Decline this plan",
                    forms.ReasonForm,
                    _decline,
                    REVIEW_POLICY,
                ),
                "withdraw": PageAction(
                    "Withdraw",
                    "Withdraw this plan",
                    forms.OptionalReasonForm,
                    _withdraw,
                    WORK_POLICY,
                    help="By who proposed it, before it is decided on.",
                ),
            },
        ),
        "apply": PageAction(
            "Mark applied",
            "Mark applied and verify",
            forms.ApplyForm,
            _apply,
            WORK_POLICY,
            help="The snapshot's decisions are compared with the planned ones.",
            tone="main",
            applies=lambda rollback: rollback.state in STATES_TO_PROVE,
        ),
        "close": PageAction(
            "Close without verification",
            "Close this rollback",
            forms.ReasonForm,
            _close,
            WORK_POLICY,
            help="It is called off, or another plan takes its place. It never counts "
            "as verified then.",
            applies=lambda rollback: rollback.state in STATES_TO_PROVE,
        ),
    }

    @display(description="Goes back to")
    def target(self, rollback: Rollback) -> str:
        return str(rollback.target_snapshot or "Safe defaults")

    @display(description="Proposed at", ordering="requested_at")
    def proposed_at(self, rollback: Rollback) -> dt.datetime:
        return rollback.requested_at

    @display(description="Proposed by", ordering="requested_by")
    def proposed_by(self, rollback: Rollback) -> User:
        return rollback.requested_by

    @display(description="Newest proof at")
    def proved_at(self, rollback: Rollback) -> dt.datetime | None:
        proof = rollback.newest_proof
        return proof.given_at if proof else None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Rollback]:
        rows: QuerySet[Rollback] = super().get_queryset(request)
        return rows.prefetch_related("proofs__snapshot", "proofs__given_by")

    @display(description="State", ordering="state")
    def state_badge(self, rollback: Rollback) -> SafeString:
        return badge(rollback.state, rollback.get_state_display())

    def page_context(self, request: HttpRequest, obj: Rollback) -> dict[str, Any]:
        return {
            "rollback": obj,
            "lapses_at": lapses_at(obj) if obj.decided_at is None else None,
            "before_text": _text(obj.before),
            "after_text": _text(obj.after),
            "planned": [
                decision for decision in obj.planned if decision["extension"] is None
            ],
        }


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
