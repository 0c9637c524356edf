"""The gates of the phases: what must hold before each can be completed.

A gate is a list of conditions over ``GateFacts``, which services gather. Every
condition is always evaluated and shown. One that does not hold can be waived, by a
reviewer and with a reason; the waiver stays visible beside the condition. Those of the
postmortem cannot: no case is closed without its signed record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from incidents.workflow.conditions import (
    ANSWERED_IN,
    ITEM_OF_CONDITION,
    Condition,
    ConditionKey,
    GateResult,
    OpenItem,
    Waiver,
)
from incidents.workflow.errors import ConditionError
from incidents.workflow.gate_facts import (
    BundleFact,
    GateFacts,
    ItemFact,
    SnapshotFact,
    Statement,
)
from incidents.workflow.phases import Phase

# A refusal is read on a phone.
NAMES_MAX = 5


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


def _extension_killed(facts: GateFacts) -> tuple[bool, str]:
    """Return whether every extension is stopped; an order alone stops none.

    A statement meets it too: that it was stopped by other means, or why the case goes
    on with an order that nobody confirmed. The order shows either way.
    """
    ordered = _unconfirmed(facts)
    order = f"ordered, not confirmed: {_names(ordered)}" if ordered else ""
    stated = facts.killed_otherwise
    if stated is not None and stated.counts:
        said = f"stated by {stated.by}: {stated.text}"
        return True, f"{order}; {said}" if order else said
    running = [
        extension_id
        for extension_id in facts.extension_ids
        if extension_id not in facts.kill_switched
    ]
    if running:
        missing = f"no kill switch, and no other means stated: {_names(running)}"
        return False, f"{missing}; {order}" if order else missing
    if not facts.extension_ids:
        return False, "the case names no extension: name it, or state what was done"
    if order:
        return False, f"{order}: run the commands and confirm it, or state why it waits"
    return True, f"kill switch confirmed for {_names(facts.extension_ids)}"


def _unconfirmed(facts: GateFacts) -> list[str]:
    """Return the extensions whose kill switch is ordered and not confirmed."""
    ordered = facts.kill_switched - facts.kill_confirmed
    return [
        extension_id for extension_id in facts.extension_ids if extension_id in ordered
    ]


def _isolation_verified(facts: GateFacts) -> tuple[bool, str]:
    """Ask for somebody's word on how isolation was verified."""
    return _stated(facts.isolation, "nobody has said how isolation was verified")


def _bundle_stored(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a bundle."""
    if not facts.bundles:
        return False, "attach an incident evidence bundle"
    return True, _held(facts.bundles)


def _configuration_snapshot(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a snapshot of the configuration."""
    if not facts.snapshots:
        return False, "take a snapshot of the configuration"
    return True, _held(facts.snapshots)


def _reports_current(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a current report of every bundle."""
    if not facts.bundles:
        return False, "the case has no bundle to verify"
    waiting = [bundle.name for bundle in facts.bundles if bundle.valid is None]
    if waiting:
        return False, f"no current report: {_names(waiting)}"
    return True, f"{len(facts.bundles)} verified"


def _failures_explained(facts: GateFacts) -> tuple[bool, str]:
    """Ask for an explanation of each bundle that failed."""
    failed = [bundle for bundle in facts.bundles if bundle.valid is False]
    explained = [step for step in failed if _has_explanation(step)]
    rest = [step for step in failed if not _has_explanation(step)]
    open_names = [step.name for step in rest if not _is_the_finding(step, facts)]
    if open_names:
        return False, f"failed and not explained: {_names(open_names)}"
    if not failed:
        return True, "no bundle failed"
    said = [f"{len(explained)} failed, each explained"] if explained else []
    if rest:
        names = _names(step.name for step in rest)
        said.append(f"{len(rest)} failed, which is the finding of this case: {names}")
    return True, "; ".join(said)


def _has_explanation(bundle: BundleFact) -> bool:
    """Return whether somebody has explained why a bundle failed."""
    return bundle.explanation is not None and bundle.explanation.counts


def _is_the_finding(bundle: BundleFact, facts: GateFacts) -> bool:
    """Return whether the failure itself is what the case is about.

    Of a ledger-integrity case the broken chain is the finding, not just any fault.
    """
    return facts.failed_verification_is_finding and bundle.chain_valid is False


def _root_cause_written(facts: GateFacts) -> tuple[bool, str]:
    """Ask for the root cause."""
    return _stated(facts.root_cause, "write down which control failed, and why")


def _replay_viewed(facts: GateFacts) -> tuple[bool, str]:
    """Ask that somebody has looked at the replay."""
    return _stated(facts.replay_viewed, "open the forensic replay of a bundle")


def required_items(facts: GateFacts, phase: Phase) -> tuple[ItemFact, ...]:
    """Return the required items of a phase that its gate asks for as items.

    One with a condition of its own is not asked for twice, unless somebody has taken
    its answer back: then the two no longer say the same.
    """
    own = set(ITEM_OF_CONDITION.values())
    return tuple(
        item
        for item in facts.items
        if item.phase is phase
        and item.required
        and (item.key not in own or item.is_taken_back)
    )


def _open_items(facts: GateFacts, phase: Phase) -> tuple[OpenItem, ...]:
    """Return the required items of a phase that nobody has answered."""
    return tuple(
        OpenItem(item.key, item.text or item.key)
        for item in required_items(facts, phase)
        if not item.state.is_answered
    )


def _items_answered(facts: GateFacts, phase: Phase) -> tuple[bool, str]:
    """Ask for an answer to each required item."""
    asked = required_items(facts, phase)
    unanswered = [item.text for item in _open_items(facts, phase)]
    if unanswered:
        return False, f"{len(unanswered)} of {len(asked)} open: {_names(unanswered)}"
    return True, f"{len(asked)} answered"


def _answered_rule(phase: Phase) -> _Rule:
    """Return the condition that the required items of a phase are answered."""
    return _Rule(
        ANSWERED_IN[phase],
        f"Required checklist items of {phase.label} answered",
        "checklist",
        lambda facts: _items_answered(facts, phase),
        applies=lambda facts: bool(required_items(facts, phase)),
        open_items=lambda facts: _open_items(facts, phase),
    )


def _action_proven(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a remediation that was proven, or a rollback that was verified."""
    proven = [action.replace("_", " ") for action in facts.actions]
    proven += [f"rollback {pk}, verified" for pk in facts.verified_rollbacks]
    if proven:
        return True, _names(proven)
    return False, "record an action and link what proves it"


def _remediation_chosen(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a choice of remediations, the required ones included."""
    chosen = [choice.text for choice in facts.choices if choice.chosen]
    missing = [c.text for c in facts.choices if c.required and not c.chosen]
    if missing:
        return False, f"required and not chosen: {_names(missing)}"
    if not chosen:
        return False, "choose a remediation of the playbook"
    return True, _names(chosen)


def _postmortem_written(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a postmortem that was submitted."""
    if not facts.postmortem.is_written:
        return False, "write the postmortem and submit it"
    return True, f"written by {facts.postmortem.author}"


def _postmortem_signed(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a signature of the newest version by somebody else."""
    postmortem = facts.postmortem
    if not postmortem.signed_by:
        return False, "a reviewer has to sign it"
    if postmortem.signed_by == postmortem.author:
        return False, "its author cannot sign it: somebody else has to"
    if not postmortem.signature_is_current:
        return False, f"edited after {postmortem.signed_by} signed: sign it again"
    return True, f"signed by {postmortem.signed_by}"


def _artifacts_archived(facts: GateFacts) -> tuple[bool, str]:
    """Ask for an archive of the case that holds the signed files."""
    postmortem = facts.postmortem
    if postmortem.archive_problem:
        return False, (
            f"the workers gave up archiving: {postmortem.archive_problem}; ask for it "
            "again on the postmortem's page"
        )
    if not postmortem.artifacts_archived:
        return False, "archive the artifacts of the case"
    return True, "archived"


def _stated(statement: Statement | None, missing: str) -> tuple[bool, str]:
    """Return whether somebody said so, and who; else what is missing."""
    if statement is None or not statement.counts:
        return False, missing
    return True, f"{statement.by}: {statement.text}"


def _held(held: Collection[BundleFact | SnapshotFact]) -> str:
    """Name what a case holds; what an earlier cycle brought says so."""
    return _names(
        evidence.name
        if evidence.earlier_cycle is None
        else f"{evidence.name} (from cycle {evidence.earlier_cycle})"
        for evidence in held
    )


def _names(names: Collection[str] | Iterable[str]) -> str:
    """Return the first names, and how many more there are."""
    listed = list(names)
    shown = "; ".join(listed[:NAMES_MAX])
    more = len(listed) - NAMES_MAX
    return f"{shown}; and {more} more" if more > 0 else shown


_GATES: Mapping[Phase, tuple[_Rule, ...]] = {
    Phase.DETECT: (),
    Phase.CONTAIN: (
        _Rule(
            ConditionKey.EXTENSION_KILLED,
            "Extension killed",
            "kill-switch",
            _extension_killed,
            lambda facts: bool(_unconfirmed(facts)),
        ),
        _Rule(
            ConditionKey.ISOLATION_VERIFIED,
            "Isolation verified",
            "isolation",
            _isolation_verified,
        ),
        _answered_rule(Phase.CONTAIN),
    ),
    Phase.COLLECT: (
        _Rule(
            ConditionKey.BUNDLE_STORED,
            "At least one evidence bundle stored",
            "evidence",
            _bundle_stored,
        ),
        _Rule(
            ConditionKey.CONFIGURATION_SNAPSHOT,
            "Configuration snapshot taken",
            "policy",
            _configuration_snapshot,
        ),
        _answered_rule(Phase.COLLECT),
    ),
    Phase.VERIFY: (
        _Rule(
            ConditionKey.REPORTS_CURRENT,
            "Every bundle has a current verification report",
            "evidence",
            _reports_current,
        ),
        _Rule(
            ConditionKey.FAILURES_EXPLAINED,
            "Every failed report explained, or the finding of the case",
            "evidence",
            _failures_explained,
        ),
        _answered_rule(Phase.VERIFY),
    ),
    Phase.ANALYZE: (
        _Rule(
            ConditionKey.ROOT_CAUSE_WRITTEN,
            "Root cause written",
            "root-cause",
            _root_cause_written,
        ),
        _Rule(
            ConditionKey.REPLAY_VIEWED,
            "Forensic replay looked at",
            "evidence",
            _replay_viewed,
        ),
        _answered_rule(Phase.ANALYZE),
    ),
    Phase.REMEDIATE: (
        _Rule(
            ConditionKey.ACTION_PROVEN,
            "At least one action done, with proof",
            "remediation",
            _action_proven,
        ),
        _Rule(
            ConditionKey.REMEDIATION_CHOSEN,
            "Required remediation of the playbook chosen",
            "remediation",
            _remediation_chosen,
        ),
        _answered_rule(Phase.REMEDIATE),
    ),
    Phase.POSTMORTEM: (
        _Rule(
            ConditionKey.POSTMORTEM_WRITTEN,
            "Postmortem written",
            "postmortem",
            _postmortem_written,
        ),
        _Rule(
            ConditionKey.POSTMORTEM_SIGNED,
            "Reviewed and signed by somebody else",
            "postmortem",
            _postmortem_signed,
        ),
        _Rule(
            ConditionKey.ARTIFACTS_ARCHIVED,
            "Artifacts archived",
            "postmortem",
            _artifacts_archived,
        ),
        _answered_rule(Phase.POSTMORTEM),
    ),
}
