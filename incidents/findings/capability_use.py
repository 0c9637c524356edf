"""INC-1: was a call executed that policy denies, and how did it get through?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from incidents.findings.finding import Finding, FindingSeverity, counted, listed, refs
from incidents.findings.records import (
    ALL_EXTENSIONS,
    Extensions,
    Record,
    alert_finding,
    call_text,
    ledger_entries,
    records,
    untrusted_note,
)
from policy.rules.precedence import EffectivePolicy, Verdict, evaluate


def find_capability_use(
    bundle: Mapping[str, Any],
    *,
    ledger_report: Mapping[str, Any] | None = None,
    policy: EffectivePolicy | None = None,
    extension_ids: Extensions = ALL_EXTENSIONS,
) -> list[Finding]:
    """Answer INC-1 from a bundle, its ledger's report and the policy in force."""
    entries = list(ledger_entries(bundle, extension_ids))
    found = [
        alert_finding(
            bundle,
            "policy_violation",
            extension_ids=extension_ids,
            playbook_item="identify-call",
        ),
        _denied_and_executed(entries, ledger_report),
    ]
    found += _declared_otherwise(bundle, extension_ids)
    found += _decided_on_declaration(bundle, entries)
    if policy is not None:
        found += _policy_disagrees(entries, policy)
        found += _policy_path(entries, policy)
    return found


def _denied_and_executed(
    entries: list[Record], ledger_report: Mapping[str, Any] | None
) -> Finding:
    denied = [e for e in entries if e.text("policy_decision") == "deny"]
    executed = [e for e in denied if e.text("outcome") == "executed"]
    if not executed:
        return Finding(
            key="no-denied-call-executed",
            title="No denied call was executed",
            severity=FindingSeverity.INFO,
            detail=f"{counted(len(denied), 'call')} denied, none of them executed.",
            playbook_item="examine-dispatch",
            count=len(denied),
        )
    calls = listed(f"{call_text(e)} ({e.text('policy_reason')})" for e in executed)
    return Finding(
        key="denied-call-executed",
        title=f"{counted(len(executed), 'denied call')} executed nonetheless",
        severity=FindingSeverity.CRITICAL,
        detail=f"{calls}. A bypass in the dispatch pipeline."
        + untrusted_note(executed, ledger_report),
        playbook_item="examine-dispatch",
        evidence_refs=refs(e.path for e in executed),
        count=len(executed),
    )


def _declared_otherwise(
    bundle: Mapping[str, Any], extension_ids: Extensions
) -> Iterator[Finding]:
    calls = [
        call
        for call in records(bundle, "hostcall_telemetry", extension_ids)
        if call.text("required_capability")
        and call.text("capability") != call.text("required_capability")
    ]
    if not calls:
        return
    executed = [call for call in calls if call.text("outcome") == "executed"]
    texts = listed(
        f"{call_text(call)} needs {call.text('required_capability')}" for call in calls
    )
    yield Finding(
        key="declared-capability-differs",
        title=f"{counted(len(calls), 'call')} declared another capability than needed",
        severity=FindingSeverity.ERROR if executed else FindingSeverity.WARNING,
        detail=f"{texts}. {len(executed)} executed.",
        playbook_item="examine-dispatch",
        evidence_refs=refs(call.path for call in calls),
        count=len(calls),
    )


def _decided_on_declaration(
    bundle: Mapping[str, Any], entries: list[Record]
) -> Iterator[Finding]:
    """Yield calls whose decision was taken on another capability than they need."""
    needed = {
        call.text("call_id"): call.text("required_capability")
        for call in records(bundle, "hostcall_telemetry")
        if call.text("call_id")
    }
    wrong = [
        entry
        for entry in entries
        if needed.get(entry.text("call_id"))
        and entry.text("capability") != needed[entry.text("call_id")]
    ]
    if not wrong:
        return
    texts = listed(
        f"{call_text(entry)} needs {needed[entry.text('call_id')]}" for entry in wrong
    )
    yield Finding(
        key="decided-on-declared-capability",
        title=f"{counted(len(wrong), 'call')} decided on a capability not theirs",
        severity=FindingSeverity.CRITICAL,
        detail=f"{texts}. The capability must be derived on the server side.",
        playbook_item="examine-dispatch",
        evidence_refs=refs(entry.path for entry in wrong),
        count=len(wrong),
    )


def _policy_disagrees(
    entries: list[Record], policy: EffectivePolicy
) -> Iterator[Finding]:
    differing = []
    for entry in entries:
        recorded, capability = entry.text("policy_decision"), entry.text("capability")
        decided = evaluate(policy, entry.text("extension_id"), capability).decision
        if recorded in set(Verdict) and recorded != decided:
            differing.append((entry, recorded, decided))
    if not differing:
        return
    allowed = [difference for difference in differing if difference[1] == Verdict.ALLOW]
    texts = listed(
        f"{e.text('extension_id')}: {e.text('capability')} recorded {recorded}, "
        f"snapshot {decided}"
        for e, recorded, decided in differing
    )
    yield Finding(
        key="ledger-disagrees-with-policy",
        title=f"{counted(len(differing), 'decision')} unlike those of the snapshot",
        severity=FindingSeverity.ERROR if allowed else FindingSeverity.WARNING,
        detail=f"{texts}. Was another policy in force at the time?",
        playbook_item="check-policy-path",
        evidence_refs=refs(entry.path for entry, _, _ in differing),
        count=len(differing),
    )


def _policy_path(entries: list[Record], policy: EffectivePolicy) -> Iterator[Finding]:
    """Yield what decides each capability that a denied call asked for."""
    denied = [e for e in entries if e.text("policy_decision") == "deny"]
    pairs = dict.fromkeys(
        (e.text("extension_id"), e.text("capability")) for e in denied
    )
    if not pairs:
        return
    texts = []
    for extension, capability in pairs:
        decision = evaluate(policy, extension, capability)
        in_list = "in" if capability.lower() in policy.deny_caps else "not in"
        own = "has" if extension in policy.per_extension else "has no"
        texts.append(
            f"{extension}: {capability} is {in_list} deny_caps, the extension {own} "
            f"override; {decision.decision} by {decision.layer}"
        )
    yield Finding(
        key="policy-path",
        title="How the snapshot decides the denied capabilities",
        severity=FindingSeverity.INFO,
        detail=listed(texts),
        playbook_item="check-policy-path",
        evidence_refs=refs(e.path for e in denied),
        count=len(pairs),
    )
