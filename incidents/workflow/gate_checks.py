"""What each condition of a gate asks of the facts: (met, detail)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from incidents.workflow.conditions import ITEM_OF_CONDITION, OpenItem
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


def extension_killed(facts: GateFacts) -> tuple[bool, str]:
    """Return whether every extension is stopped; an order alone stops none.

    A statement meets it too: that it was stopped by other means, or why the case goes
    on with an order that nobody confirmed. The order shows either way.
    """
    ordered = unconfirmed_extensions(facts)
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


def unconfirmed_extensions(facts: GateFacts) -> list[str]:
    """Return the extensions whose kill switch is ordered and not confirmed."""
    ordered = facts.kill_switched - facts.kill_confirmed
    return [
        extension_id for extension_id in facts.extension_ids if extension_id in ordered
    ]


def isolation_verified(facts: GateFacts) -> tuple[bool, str]:
    """Ask for somebody's word on how isolation was verified."""
    return _stated(facts.isolation, "nobody has said how isolation was verified")


def bundle_stored(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a bundle."""
    if not facts.bundles:
        return False, "attach an incident evidence bundle"
    return True, _held(facts.bundles)


def configuration_snapshot(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a snapshot of the configuration."""
    if not facts.snapshots:
        return False, "take a snapshot of the configuration"
    return True, _held(facts.snapshots)


def reports_current(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a current report of every bundle."""
    if not facts.bundles:
        return False, "the case has no bundle to verify"
    waiting = [bundle.name for bundle in facts.bundles if bundle.valid is None]
    if waiting:
        return False, f"no current report: {_names(waiting)}"
    return True, f"{len(facts.bundles)} verified"


def failures_explained(facts: GateFacts) -> tuple[bool, str]:
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


def root_cause_written(facts: GateFacts) -> tuple[bool, str]:
    """Ask for the root cause."""
    return _stated(facts.root_cause, "write down which control failed, and why")


def replay_viewed(facts: GateFacts) -> tuple[bool, str]:
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


def open_items(facts: GateFacts, phase: Phase) -> tuple[OpenItem, ...]:
    """Return the required items of a phase that nobody has answered."""
    return tuple(
        OpenItem(item.key, item.text or item.key)
        for item in required_items(facts, phase)
        if not item.state.is_answered
    )


def items_answered(facts: GateFacts, phase: Phase) -> tuple[bool, str]:
    """Ask for an answer to each required item."""
    asked = required_items(facts, phase)
    unanswered = [item.text for item in open_items(facts, phase)]
    if unanswered:
        return False, f"{len(unanswered)} of {len(asked)} open: {_names(unanswered)}"
    return True, f"{len(asked)} answered"


def action_proven(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a remediation that was proven, or a rollback that was verified."""
    proven = [action.replace("_", " ") for action in facts.actions]
    proven += [f"rollback {pk}, verified" for pk in facts.verified_rollbacks]
    if proven:
        return True, _names(proven)
    return False, "record an action and link what proves it"


def remediation_chosen(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a choice of remediations, the required ones included."""
    chosen = [choice.text for choice in facts.choices if choice.chosen]
    missing = [c.text for c in facts.choices if c.required and not c.chosen]
    if missing:
        return False, f"required and not chosen: {_names(missing)}"
    if not chosen:
        return False, "choose a remediation of the playbook"
    return True, _names(chosen)


def postmortem_written(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a postmortem that was submitted."""
    if not facts.postmortem.is_written:
        return False, "write the postmortem and submit it"
    return True, f"written by {facts.postmortem.author}"


def postmortem_signed(facts: GateFacts) -> tuple[bool, str]:
    """Ask for a signature of the newest version by somebody else."""
    postmortem = facts.postmortem
    if not postmortem.signed_by:
        return False, "a reviewer has to sign it"
    if postmortem.signed_by == postmortem.author:
        return False, "its author cannot sign it: somebody else has to"
    if not postmortem.signature_is_current:
        return False, f"edited after {postmortem.signed_by} signed: sign it again"
    return True, f"signed by {postmortem.signed_by}"


def artifacts_archived(facts: GateFacts) -> tuple[bool, str]:
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
