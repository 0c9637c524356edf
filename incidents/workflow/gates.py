"""The gates of the phases: what must hold before each can be completed.

A gate is a list of conditions over ``GateFacts``, which services gather. Every
condition is always evaluated and shown. One that does not hold can be waived, by a
reviewer and with a reason; the waiver stays visible beside the condition. Those of the
postmortem cannot: no case is closed without its signed record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from incidents.workflow.conditions import (
    ANSWERED_IN,
    Condition,
    ConditionKey,
    GateResult,
    OpenItem,
    Waiver,
)
from incidents.workflow.errors import ConditionError
from incidents.workflow.gate_checks import (
    action_proven,
    artifacts_archived,
    bundle_stored,
    configuration_snapshot,
    extension_killed,
    failures_explained,
    isolation_verified,
    items_answered,
    open_items,
    postmortem_signed,
    postmortem_written,
    remediation_chosen,
    replay_viewed,
    reports_current,
    required_items,
    root_cause_written,
    unconfirmed_extensions,
)
from incidents.workflow.gate_facts import GateFacts
from incidents.workflow.phases import Phase


@dataclass(frozen=True)
class _Rule:
    """A condition before it is evaluated; ``check`` returns (met, detail)."""

    key: ConditionKey
    text: str
    anchor: str
    check: Callable[[GateFacts], tuple[bool, str]]
    is_ordered: Callable[[GateFacts], bool] = lambda facts: False
    applies: Callable[[GateFacts], bool] = lambda facts: True
    open_items: Callable[[GateFacts], tuple[OpenItem, ...]] = lambda facts: ()


def evaluate_gate(
    phase: Phase, facts: GateFacts, *, waivers: Iterable[Waiver] = ()
) -> GateResult:
    """Return every condition of a phase's gate as it stands.

    Raise ConditionError for a waiver of a condition that this gate does not have.
    """
    by_key = {waiver.key: waiver for waiver in waivers}
    unknown = sorted(by_key.keys() - set(condition_keys(phase)))
    if unknown:
        raise ConditionError(
            f"The gate of {phase.label} has no condition {', '.join(unknown)}."
        )
    conditions = []
    for rule in _GATES[phase]:
        if not rule.applies(facts):
            continue
        met, detail = rule.check(facts)
        conditions.append(
            Condition(
                rule.key,
                rule.text,
                met,
                detail,
                rule.anchor,
                by_key.get(rule.key),
                rule.is_ordered(facts),
                rule.open_items(facts),
            )
        )
    return GateResult(phase, tuple(conditions))


def condition_keys(phase: Phase) -> tuple[ConditionKey, ...]:
    """Return the keys of a phase's conditions, in the order they are shown."""
    return tuple(rule.key for rule in _GATES[phase])


def _answered_rule(phase: Phase) -> _Rule:
    """Return the condition that the required items of a phase are answered."""
    return _Rule(
        ANSWERED_IN[phase],
        f"Required checklist items of {phase.label} answered",
        "checklist",
        lambda facts: items_answered(facts, phase),
        applies=lambda facts: bool(required_items(facts, phase)),
        open_items=lambda facts: open_items(facts, phase),
    )


_GATES: Mapping[Phase, tuple[_Rule, ...]] = {
    Phase.DETECT: (),
    Phase.CONTAIN: (
        _Rule(
            ConditionKey.EXTENSION_KILLED,
            "Extension killed",
            "kill-switch",
            extension_killed,
            lambda facts: bool(unconfirmed_extensions(facts)),
        ),
        _Rule(
            ConditionKey.ISOLATION_VERIFIED,
            "Isolation verified",
            "isolation",
            isolation_verified,
        ),
        _answered_rule(Phase.CONTAIN),
    ),
    Phase.COLLECT: (
        _Rule(
            ConditionKey.BUNDLE_STORED,
            "At least one evidence bundle stored",
            "evidence",
            bundle_stored,
        ),
        _Rule(
            ConditionKey.CONFIGURATION_SNAPSHOT,
            "Configuration snapshot taken",
            "policy",
            configuration_snapshot,
        ),
        _answered_rule(Phase.COLLECT),
    ),
    Phase.VERIFY: (
        _Rule(
            ConditionKey.REPORTS_CURRENT,
            "Every bundle has a current verification report",
            "evidence",
            reports_current,
        ),
        _Rule(
            ConditionKey.FAILURES_EXPLAINED,
            "Every failed report explained, or the finding of the case",
            "evidence",
            failures_explained,
        ),
        _answered_rule(Phase.VERIFY),
    ),
    Phase.ANALYZE: (
        _Rule(
            ConditionKey.ROOT_CAUSE_WRITTEN,
            "Root cause written",
            "root-cause",
            root_cause_written,
        ),
        _Rule(
            ConditionKey.REPLAY_VIEWED,
            "Forensic replay looked at",
            "evidence",
            replay_viewed,
        ),
        _answered_rule(Phase.ANALYZE),
    ),
    Phase.REMEDIATE: (
        _Rule(
            ConditionKey.ACTION_PROVEN,
            "At least one action done, with proof",
            "remediation",
            action_proven,
        ),
        _Rule(
            ConditionKey.REMEDIATION_CHOSEN,
            "Required remediation of the playbook chosen",
            "remediation",
            remediation_chosen,
        ),
        _answered_rule(Phase.REMEDIATE),
    ),
    Phase.POSTMORTEM: (
        _Rule(
            ConditionKey.POSTMORTEM_WRITTEN,
            "Postmortem written",
            "postmortem",
            postmortem_written,
        ),
        _Rule(
            ConditionKey.POSTMORTEM_SIGNED,
            "Reviewed and signed by somebody else",
            "postmortem",
            postmortem_signed,
        ),
        _Rule(
            ConditionKey.ARTIFACTS_ARCHIVED,
            "Artifacts archived",
            "postmortem",
            artifacts_archived,
        ),
        _answered_rule(Phase.POSTMORTEM),
    ),
}
