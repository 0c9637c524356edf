"""What a bundle, a policy and a history say about a playbook's questions.

Pure: documents and facts in, ``Finding`` values out. A bundle is read as it is, faulty
records included: a member that is missing or of the wrong type never raises, it only
counts for nothing. Nothing here verifies; callers pass the verification report in, and
what it calls untrusted is called so here too.
"""

from incidents.findings.answers import CaseEvidence, findings_for
from incidents.findings.capability_use import findings_inc1
from incidents.findings.ledger_integrity import findings_inc3
from incidents.findings.quarantine_escape import QuarantinePeriod, findings_inc5
from incidents.findings.quota_abuse import findings_inc6
from incidents.findings.scanner_bypass import findings_inc4
from incidents.findings.secret_exposure import findings_inc2
from incidents.findings.values import Finding, FindingSeverity

__all__ = (
    "CaseEvidence",
    "Finding",
    "FindingSeverity",
    "QuarantinePeriod",
    "findings_for",
    "findings_inc1",
    "findings_inc2",
    "findings_inc3",
    "findings_inc4",
    "findings_inc5",
    "findings_inc6",
)
