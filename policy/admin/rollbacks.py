"""Rollbacks: the plan, who approved it, its proof, and what deviates."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from policy.admin import forms
from policy.admin.pages import OfVisibleIncident, PageAction, PageAdmin
from policy.models import Rollback, RollbackState
from policy.services import rollbacks
from policy.services.cases import REVIEW, WORK
from policy.templatetags.policy import badge

APPLICABLE = (RollbackState.APPROVED, RollbackState.APPLIED)


def _approve(request: HttpRequest, rollback: Rollback, data: dict[str, Any]) -> str:
    rollbacks.approve_rollback(
        rollback_id=rollback.pk,
        reason=data["reason"],
        actor=request.user,  # type: ignore[arg-type]
    )
    return "Approved. Apply it to the runtime, then take a snapshot as proof."


def _decline(request: HttpRequest, rollback: Rollback, data: dict[str, Any]) -> str:
    rollbacks.decline_rollback(
        rollback_id=rollback.pk,
        reason=data["reason"],
        actor=request.user,  # type: ignore[arg-type]
    )
    return "Declined."


def _apply(request: HttpRequest, rollback: Rollback, data: dict[str, Any]) -> str:
    applied = rollbacks.apply_rollback(
        rollback_id=rollback.pk,
        proof_snapshot_id=data["proof"].pk,
        command_output=data["output"],
        actor=request.user,  # type: ignore[arg-type]
    )
    if applied.state == RollbackState.VERIFIED:
        return "Verified: every decision is as planned."
    count = len(applied.deviations)
    messages.warning(
        request, f"Applied, and not verified: {count} points are not as planned."
    )
    return ""


@admin.register(Rollback)
class RollbackAdmin(OfVisibleIncident, PageAdmin):
    list_display = (
        "target",
        "state_badge",
        "incident",
        "proposed_at",
        "proposed_by",
        "decided_by",
        "applied_at",
    )
    list_select_related = (
        "incident",
        "target_snapshot",
        "proposed_by",
        "decided_by",
    )
    list_filter = ("state",)
    search_fields = ("incident__reference", "reason")
    page_template = "policy/rollback.html"
    page_related = (
        "incident",
        "snapshot",
        "target_snapshot",
        "proof_snapshot",
        "proposed_by",
        "decided_by",
        "applied_by",
    )
    page_actions = {
        "approve": PageAction(
            "Approve",
            "Approve this plan",
            forms.OptionalReasonForm,
            _approve,
            REVIEW,
            help="By somebody other than who proposed it.",
            tone="main",
            applies=lambda one: one.state == RollbackState.PROPOSED,
        ),
        "decline": PageAction(
            "Decline",
            "Decline this plan",
            forms.ReasonForm,
            _decline,
            REVIEW,
            applies=lambda one: one.state == RollbackState.PROPOSED,
        ),
        "apply": PageAction(
            "Mark applied",
            "Mark applied and verify",
            forms.ApplyForm,
            _apply,
            WORK,
            help="The snapshot's decisions are compared with the planned ones.",
            tone="main",
            applies=lambda one: one.state in APPLICABLE,
        ),
    }

    @display(description="Goes back to")
    def target(self, rollback: Rollback) -> str:
        return str(rollback.target_snapshot or "Safe defaults")

    @display(description="State", ordering="state")
    def state_badge(self, rollback: Rollback) -> SafeString:
        return badge(rollback.state, rollback.get_state_display())

    def page_context(self, request: HttpRequest, obj: Rollback) -> dict[str, Any]:
        return {
            "rollback": obj,
            "before_text": _text(obj.before),
            "after_text": _text(obj.after),
            "planned": [one for one in obj.planned if one["extension"] is None],
        }


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)
