"""One door to the findings of every class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incidents.findings.capability_use import find_capability_use
from incidents.findings.finding import Finding
from incidents.findings.ledger_integrity import find_ledger_faults
from incidents.findings.quarantine_escape import (
    QuarantinePeriod,
    find_quarantine_escape,
)
from incidents.findings.quota_abuse import find_quota_abuse
from incidents.findings.records import ALL_EXTENSIONS, Extensions
from incidents.findings.scanner_bypass import find_scanner_bypass
from incidents.findings.secret_exposure import find_secret_exposure
from policy.rules.precedence import EffectivePolicy
from policy.rules.trust_replay import TrustFinding

if TYPE_CHECKING:  # see scanner_bypass
    from policy.scanner.report import SourceReport


@dataclass(frozen=True)
class CaseEvidence:
    """What a case has to answer a playbook's questions from; None is not at hand.

    ``ledger_report`` is the newest verification's. ``extension_ids`` are the case's;
    empty means every extension of the bundle.
    """

    bundle: Mapping[str, Any]
    ledger_report: Mapping[str, Any] | None = None
    policy: EffectivePolicy | None = None
    names_by_hash: Mapping[str, str] = field(default_factory=dict)
    quarantines: tuple[QuarantinePeriod, ...] = ()
    trust_findings: tuple[TrustFinding, ...] = ()
    scan: SourceReport | None = None
    extension_ids: Extensions = ALL_EXTENSIONS


def findings_for(alert_category: str, evidence: CaseEvidence) -> list[Finding]:
    """Return what the evidence says to the questions of a category's playbook.

    A category of a team's own has no questions known here: the list is empty.
    """
    answer = _ANSWERS.get(alert_category)
    return answer(evidence) if answer is not None else []


def _inc1(evidence: CaseEvidence) -> list[Finding]:
    return find_capability_use(
        evidence.bundle,
        ledger_report=evidence.ledger_report,
        policy=evidence.policy,
        extension_ids=evidence.extension_ids,
    )


def _inc2(evidence: CaseEvidence) -> list[Finding]:
    return find_secret_exposure(
        evidence.bundle,
        names_by_hash=evidence.names_by_hash,
        broker=evidence.policy.secret_broker if evidence.policy else None,
        extension_ids=evidence.extension_ids,
    )


def _inc3(evidence: CaseEvidence) -> list[Finding]:
    if evidence.ledger_report is None:
        return []
    return find_ledger_faults(evidence.bundle, ledger_report=evidence.ledger_report)


def _inc4(evidence: CaseEvidence) -> list[Finding]:
    return find_scanner_bypass(
        evidence.bundle,
        scan=evidence.scan,
        ledger_report=evidence.ledger_report,
        extension_ids=evidence.extension_ids,
    )


def _inc5(evidence: CaseEvidence) -> list[Finding]:
    return find_quarantine_escape(
        evidence.bundle,
        quarantines=evidence.quarantines,
        trust_findings=evidence.trust_findings,
        ledger_report=evidence.ledger_report,
        extension_ids=evidence.extension_ids,
    )


def _inc6(evidence: CaseEvidence) -> list[Finding]:
    return find_quota_abuse(
        evidence.bundle, policy=evidence.policy, extension_ids=evidence.extension_ids
    )


_ANSWERS: Mapping[str, Callable[[CaseEvidence], list[Finding]]] = {
    "policy_violation": _inc1,
    "secret_exposure": _inc2,
    "ledger_integrity": _inc3,
    "scanner_bypass": _inc4,
    "quarantine_escape": _inc5,
    "quota_breach": _inc6,
}
