"""What a bundle, a policy and a history say about a playbook's questions.

Pure: documents and facts in, ``Finding`` values out. A bundle is read as it is, faulty
records included: a member that is missing or of the wrong type never raises, it only
counts for nothing. Nothing here verifies; callers pass the verification report in, and
what it calls untrusted is called so here too.
"""

from incidents.findings.answers import CaseEvidence, findings_for
from incidents.findings.capability_use import find_capability_use
from incidents.findings.finding import Finding, FindingSeverity
from incidents.findings.ledger_integrity import find_ledger_faults
from incidents.findings.quarantine_escape import (
    QuarantinePeriod,
    find_quarantine_escape,
)
from incidents.findings.quota_abuse import find_quota_abuse
from incidents.findings.scanner_bypass import find_scanner_bypass
from incidents.findings.secret_exposure import find_secret_exposure

__all__ = (
    "CaseEvidence",
    "Finding",
    "FindingSeverity",
    "QuarantinePeriod",
    "find_capability_use",
    "find_ledger_faults",
    "find_quarantine_escape",
    "find_quota_abuse",
    "find_scanner_bypass",
    "find_secret_exposure",
    "findings_for",
)
