"""The decisions of a cycle, from every table that keeps one, in the order of time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.auth.models import User

from evidence.accounts.access import name_of
from incidents.models import (
    ChecklistItem,
    Cycle,
    GateStatement,
    GateWaiver,
    Incident,
    RemediationAction,
    RemediationDecision,
)
from incidents.services.gates.conditions import TITLES
from incidents.services.policy_records import kill_switches_of, trust_transitions_of
from incidents.workflow.conditions import ConditionKey
from policy.models import (
    KillSwitch,
    Rollback,
    RollbackProof,
    RollbackState,
    TrustTransition,
)


@dataclass(frozen=True)
class DecisionFact:
    """One decision: who decided what, when and why."""

    at: dt.datetime
    by: str
    kind: str
    text: str
    reason: str = ""


def gather_decisions(incident: Incident, cycle: Cycle) -> list[DecisionFact]:
    """Return remediation, statements, waivers, kill switches, trust and rollbacks."""
    since = cycle.started_at if cycle.number > 1 else incident.detected_at
    found = [
        *_remediation(cycle),
        *_gates(cycle),
        *_policy(incident, since, cycle.ended_at),
    ]
    return sorted(found, key=lambda decision: decision.at)


def _remediation(cycle: Cycle) -> Iterator[DecisionFact]:
    items = {item.pk: item for item in ChecklistItem.objects.filter(cycle=cycle)}
    for row in RemediationDecision.objects.filter(item__in=items).order_by("id"):
        choices = items[row.item_id].content.get("choices", ())
        texts = {choice["key"]: choice["text"] for choice in choices}
        yield DecisionFact(
            row.decided_at,
            row.decided_by_name,
            "Remediation chosen" if row.chosen else "Remediation not chosen",
            texts.get(row.choice_key, row.choice_key),
            row.reason,
        )
    actions = RemediationAction.objects.filter(cycle=cycle).select_related(
        "ticket", "evidence_item"
    )
    for action in actions:
        yield DecisionFact(
            action.done_at,
            action.recorded_by_name,
            f"Action: {action.get_kind_display()}",
            action.description,
            "Proof: " + "; ".join(_proofs(action)),
        )


def _proofs(action: RemediationAction) -> Iterator[str]:
    if action.proof:
        yield action.proof
    if action.ticket is not None:
        yield f"ticket {action.ticket.ticket}"
    if action.evidence_item is not None:
        item = action.evidence_item
        yield f"{item.original_name} (SHA-256 {item.sha256_hex})"


def _gates(cycle: Cycle) -> Iterator[DecisionFact]:
    statements = GateStatement.objects.filter(phase__cycle=cycle).exclude(statement="")
    for row in statements.select_related("stated_by", "phase").order_by("id"):
        title = TITLES.get(ConditionKey(row.condition_key), row.condition_key)
        yield DecisionFact(
            row.stated_at,
            name_of(row.stated_by),
            f"Statement for {row.phase}",
            f"{title}: {row.statement}",
        )
    waivers = GateWaiver.objects.filter(phase__cycle=cycle)
    people = ("waived_by", "revoked_by", "phase")
    for waiver in waivers.select_related(*people).order_by("id"):
        about = waiver.condition_key.replace("-", " ")
        yield DecisionFact(
            waiver.waived_at,
            name_of(waiver.waived_by),
            f"Waiver for {waiver.phase}",
            about,
            waiver.reason,
        )
        if waiver.revoked_at is not None:
            yield DecisionFact(
                waiver.revoked_at,
                name_of(waiver.revoked_by),
                f"Waiver revoked for {waiver.phase}",
                about,
                waiver.revocation_reason,
            )


def _policy(
    incident: Incident, since: dt.datetime, until: dt.datetime | None
) -> Iterator[DecisionFact]:
    """Return what was decided of the case's extensions, within the cycle."""
    facts = [
        *(fact for row in kill_switches_of(incident) for fact in _kill_switch(row)),
        *(
            DecisionFact(
                row.moved_at,
                row.requested_by_name,
                "Trust",
                _trust_text(row),
                _with_exception(row.reason, row.exception, row.approved_by),
            )
            for row in trust_transitions_of(incident)
        ),
        *_rollbacks(incident),
    ]
    for fact in facts:
        if fact.at >= since and (until is None or fact.at <= until):
            yield fact


def _kill_switch(row: KillSwitch) -> Iterator[DecisionFact]:
    about = row.extension.extension_id if row.extension else "all extensions"
    confirmation = getattr(row, "confirmation", None)
    yield DecisionFact(
        row.ordered_at,
        name_of(row.ordered_by),
        "Kill switch ordered",
        about if confirmation else f"{about}: ordered, not confirmed",
        row.reason,
    )
    if confirmation is not None:
        yield DecisionFact(
            confirmation.effective_at,
            name_of(confirmation.confirmed_by),
            "Kill switch effective",
            about,
            confirmation.means,
        )
    lift = getattr(row, "lift", None)
    if lift is not None:
        yield DecisionFact(
            lift.lifted_at,
            name_of(lift.approved_by),
            "Kill switch lifted",
            f"{about}, asked for by {name_of(lift.requested_by)}",
            _with_exception(
                f"{name_of(lift.requested_by)} asked: {lift.reason}",
                lift.exception,
                lift.approved_by,
            ),
        )


def _trust_text(row: TrustTransition) -> str:
    text = f"{row.extension.extension_id}: {row.from_state} → {row.to_state}"
    return (
        f"{text}, approved by {name_of(row.approved_by)}" if row.approved_by else text
    )


def _with_exception(reason: str, exception: str, reviewer: User | None) -> str:
    """Return a reason, and the exception under the name of who stated it."""
    if not exception:
        return reason
    return f"{reason} (exception, stated by {name_of(reviewer)}: {exception})"


def _rollbacks(incident: Incident) -> Iterator[DecisionFact]:
    rows = Rollback.objects.filter(incident=incident).select_related(
        "requested_by", "decided_by", "closed_by"
    )
    for row in rows.order_by("id").prefetch_related("proofs__given_by"):
        about = f"rollback {row.pk}"
        yield DecisionFact(
            row.requested_at,
            name_of(row.requested_by),
            "Rollback proposed",
            about,
            row.reason,
        )
        if row.decided_at is not None:
            yield DecisionFact(
                row.decided_at,
                name_of(row.decided_by),
                f"Rollback {_decision_on(row)}",
                about,
                row.decision_reason,
            )
        for proof in sorted(row.proofs.all(), key=lambda proof: proof.pk):
            yield _proof(proof, about)
        if row.closed_at is not None:
            yield DecisionFact(
                row.closed_at,
                name_of(row.closed_by),
                "Rollback closed without verification",
                about,
                row.closing_reason,
            )


def _decision_on(rollback: Rollback) -> str:
    """Return what was decided on the proposal, whatever came after it."""
    ended = (RollbackState.DECLINED, RollbackState.WITHDRAWN)
    return str(rollback.state) if rollback.state in ended else "approved"


def _proof(proof: RollbackProof, about: str) -> DecisionFact:
    count = len(proof.deviations)
    return DecisionFact(
        proof.given_at,
        name_of(proof.given_by),
        "Rollback not as planned" if count else "Rollback verified",
        about,
        f"{count} points of its proof are not as planned" if count else "",
    )
