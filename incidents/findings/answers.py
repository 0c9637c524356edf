"""One door to the findings of every class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from incidents.findings.capability_use import findings_inc1
from incidents.findings.ledger_integrity import findings_inc3
from incidents.findings.quarantine_escape import QuarantinePeriod, findings_inc5
from incidents.findings.quota_abuse import findings_inc6
from incidents.findings.records import ALL_EXTENSIONS, Extensions
from incidents.findings.scanner_bypass import findings_inc4
from incidents.findings.secret_exposure import findings_inc2
from incidents.findings.values import Finding
from policy.rules.precedence import EffectivePolicy
from policy.rules.trust_replay import TrustFinding

if TYPE_CHECKING:  # see scanner_bypass
    from policy.scanner.report import ScanReport


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
    scan: ScanReport | None = None
    extension_ids: Extensions = ALL_EXTENSIONS


def findings_for(alert_category: str, evidence: CaseEvidence) -> list[Finding]:
    """Return what the evidence says to the questions of a category's playbook.

    A category of a team's own has no questions known here: the list is empty.
    """
    answer = _ANSWERS.get(alert_category)
    return answer(evidence) if answer is not None else []


def _inc1(evidence: CaseEvidence) -> list[Finding]:
    return findings_inc1(
        evidence.bundle,
        ledger_report=evidence.ledger_report,
        policy=evidence.policy,
        extension_ids=evidence.extension_ids,
    )


def _inc2(evidence: CaseEvidence) -> list[Finding]:
    return findings_inc2(
        evidence.bundle,
        names_by_hash=evidence.names_by_hash,
        broker=evidence.policy.secret_broker if evidence.policy else None,
        extension_ids=evidence.extension_ids,
    )


def _inc3(evidence: CaseEvidence) -> list[Finding]:
    if evidence.ledger_report is None:
        return []
    return findings_inc3(evidence.bundle, ledger_report=evidence.ledger_report)


def _inc4(evidence: CaseEvidence) -> list[Finding]:
    return findings_inc4(
        evidence.bundle,
        scan=evidence.scan,
        ledger_report=evidence.ledger_report,
        extension_ids=evidence.extension_ids,
    )


def _inc5(evidence: CaseEvidence) -> list[Finding]:
    return findings_inc5(
        evidence.bundle,
        quarantines=evidence.quarantines,
        trust_findings=evidence.trust_findings,
        ledger_report=evidence.ledger_report,
        extension_ids=evidence.extension_ids,
    )


def _inc6(evidence: CaseEvidence) -> list[Finding]:
    return findings_inc6(
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
