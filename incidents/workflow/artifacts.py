"""Whether an artifact is the one that a checklist item expects.

The caller gathers ``ArtifactFacts`` from what it links: an evidence item with its
newest report, an alert, or a record of trust or kill switch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from incidents.workflow.playbook_document import Expectation
from policy.rules.decisions import Decision, Refusal


@dataclass(frozen=True)
class ArtifactFacts:
    """What is known of the artifact to be linked; None and empty mean not so.

    ``bundle_sections`` are those with records, ``bundle_alert_categories`` those of
    the alerts in the bundle. ``chain_valid`` and
    ``has_verification_errors`` come from the newest verification report, never from
    the document. ``extension_ids`` are those the artifact is about.
    """

    evidence_kind: str | None = None
    bundle_sections: frozenset[str] = frozenset()
    bundle_alert_categories: frozenset[str] = frozenset()
    policy_decisions: frozenset[str] = frozenset()
    alert_category: str | None = None
    extension_ids: frozenset[str] = frozenset()
    record: str | None = None
    chain_valid: bool | None = None
    has_verification_errors: bool | None = None


def match_artifact(
    expects: Expectation, facts: ArtifactFacts, *, case_extensions: frozenset[str]
) -> Decision:
    """Decide whether the artifact is the expected one; a refusal says what differs."""
    faults = (
        *_evidence_faults(expects, facts),
        *_report_faults(expects, facts),
        *_record_faults(expects, facts, case_extensions),
    )
    return Decision(tuple(Refusal("artifact_not_expected", fault) for fault in faults))


def _plain(value: str) -> str:
    """Return a value as words."""
    return value.replace("_", " ")


def _evidence_faults(expects: Expectation, facts: ArtifactFacts) -> Iterator[str]:
    """Yield what is wrong with the kind of evidence."""
    kind = facts.evidence_kind
    if expects.evidence_kind and kind not in expects.evidence_kind:
        wanted = " or ".join(map(_plain, expects.evidence_kind))
        what = f"of kind {_plain(kind)}" if kind else "no evidence"
        yield f"it takes evidence of kind {wanted}, and this is {what}"
    section = expects.bundle_section
    # Only a bundle has sections: a log or a bare ledger that an item accepts has none.
    if section and kind == "bundle" and section not in facts.bundle_sections:
        yield f"the bundle's {section} section is empty"
    decision = expects.policy_decision
    if decision and decision not in facts.policy_decisions:
        yield f"no ledger entry has the policy decision {decision}"


def _report_faults(expects: Expectation, facts: ArtifactFacts) -> Iterator[str]:
    """Yield what is wrong with the verification report."""
    if expects.chain_valid is not None and facts.chain_valid is not expects.chain_valid:
        state = "holds" if expects.chain_valid else "is broken"
        yield f"it takes a verification report whose hash chain {state}"
    errors = expects.verification_errors
    if errors is not None and facts.has_verification_errors is not errors:
        yield f"it takes a verification report {'with' if errors else 'without'} errors"


def _record_faults(
    expects: Expectation, facts: ArtifactFacts, case_extensions: frozenset[str]
) -> Iterator[str]:
    """Yield what is wrong with the records: their category or their extension."""
    category = expects.alert_category
    categories = {facts.alert_category, *facts.bundle_alert_categories}
    if category and category not in categories:
        yield f"it takes an alert of category {_plain(category)}"
    if expects.alert_of_extension and (
        facts.alert_category is None or not facts.extension_ids & case_extensions
    ):
        yield "it takes an alert of an extension of this case"
    if expects.record and facts.record != expects.record:
        yield f"it takes the record of a {_plain(expects.record)}"
