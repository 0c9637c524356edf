"""INC-3: where does the ledger break, by what, and how much of it holds?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from incidents.findings.finding import Finding, FindingSeverity, counted, refs
from incidents.findings.records import Record, ledger_entries, trusted_prefix

# Errors of the artifact's own members: their index is not that of a faulty entry.
_ARTIFACT_MEMBERS = {
    "schema_mismatch": "schema",
    "entry_count_mismatch": "entry_count",
    "head_hash_mismatch": "head_ledger_hash",
    "tail_hash_mismatch": "tail_ledger_hash",
}


def find_ledger_faults(
    document: Mapping[str, Any], *, ledger_report: Mapping[str, Any]
) -> list[Finding]:
    """Answer INC-3 from a bundle or a ledger, and the report of its verification.

    The document's own flags are never asked. ``ledger_report`` is the
    RuntimeRiskLedgerVerificationReport of docs/evidence-format.md section 2.
    """
    entries = list(ledger_entries(document))
    errors = list(ledger_report.get("verification_errors") or ())
    if ledger_report.get("chain_valid") is True:
        return [_intact(len(entries))]
    path = _entries_path(document)
    return [
        _errors(errors, path),
        *_break_point(ledger_report, errors, path),
        _diagnosis(ledger_report),
        *_what_holds(entries, ledger_report, path),
    ]


def _entries_path(document: Mapping[str, Any]) -> str:
    is_bundle = isinstance(document.get("risk_ledger"), Mapping)
    return "$.risk_ledger.entries" if is_bundle else "$.entries"


def _intact(entry_count: int) -> Finding:
    return Finding(
        key="ledger-intact",
        title="The ledger's chain holds",
        severity=FindingSeverity.INFO,
        detail=f"{counted(entry_count, 'entry', 'entries')}, no error.",
        playbook_item="run-ledger-verification",
        count=entry_count,
    )


def _errors(errors: list[Mapping[str, Any]], path: str) -> Finding:
    ledger_path = path.removesuffix(".entries")
    counts = Counter(str(error.get("code")) for error in errors)
    return Finding(
        key="verification-errors",
        title=f"{counted(len(errors), 'verification error')}",
        severity=FindingSeverity.ERROR,
        detail=", ".join(f"{code}: {n}" for code, n in counts.most_common())
        or "The chain does not hold; the report names no error.",
        playbook_item="run-ledger-verification",
        evidence_refs=refs(_error_path(error, ledger_path) for error in errors),
        count=len(errors),
    )


def _error_path(error: Mapping[str, Any], ledger_path: str) -> str:
    member = _ARTIFACT_MEMBERS.get(str(error.get("code")))
    if member is not None:
        return f"{ledger_path}.{member}"
    return f"{ledger_path}.entries[{error.get('index')}]"


def _break_point(
    report: Mapping[str, Any], errors: list[Mapping[str, Any]], path: str
) -> Iterator[Finding]:
    index = report.get("break_index")
    there = [error for error in errors if error.get("index") == index]
    if index is None or not there:
        return
    codes = [str(error.get("code")) for error in there]
    ledger_path = path.removesuffix(".entries")
    if all(code in _ARTIFACT_MEMBERS for code in codes):
        title = "The ledger's own members contradict its entries"
    else:
        sequence = there[0].get("sequence")
        place = "no readable sequence" if sequence is None else f"sequence {sequence}"
        title = f"The chain breaks at entry {index} ({place})"
    yield Finding(
        key="break-point",
        title=title,
        severity=FindingSeverity.ERROR,
        detail=f"Errors there: {', '.join(codes)}.",
        playbook_item="identify-break-point",
        evidence_refs=tuple(dict.fromkeys(_error_path(e, ledger_path) for e in there)),
        count=len(there),
    )


def _diagnosis(report: Mapping[str, Any]) -> Finding:
    if report.get("diagnosis") == "corruption":
        return Finding(
            key="diagnosis-corruption",
            title="Diagnosis: corruption",
            severity=FindingSeverity.ERROR,
            detail="One record went bad where it lay; the links on both sides of it "
            "hold. Look for out-of-memory (OOM) events and serialization bugs.",
            playbook_item="corruption-or-tampering",
        )
    return Finding(
        key="diagnosis-tampering",
        title="Diagnosis: tampering",
        severity=FindingSeverity.CRITICAL,
        detail="More than one record gone bad can explain. This is Critical: a full "
        "security audit is required.",
        playbook_item="corruption-or-tampering",
    )


def _what_holds(
    entries: list[Record], report: Mapping[str, Any], path: str
) -> Iterator[Finding]:
    trusted = trusted_prefix(report)
    if trusted is None:
        return
    untrusted = [entry for entry in entries if entry.index >= trusted]
    yield Finding(
        key="trusted-prefix",
        title=f"{counted(trusted, 'entry', 'entries')} before the break can be trusted",
        severity=FindingSeverity.INFO,
        detail=f"Replay up to {path}[{trusted - 1}] for the history that holds."
        if trusted
        else "The break is at the first entry: no history holds.",
        playbook_item="replay-to-break",
        evidence_refs=(f"{path}[{trusted - 1}]",) if trusted else (),
        count=trusted,
    )
    if untrusted:
        outcomes = Counter(e.text("outcome") or "unreadable" for e in untrusted)
        yield Finding(
            key="untrusted-entries",
            title=f"{counted(len(untrusted), 'entry', 'entries')} to evaluate again",
            severity=FindingSeverity.WARNING,
            detail="From the break on, by recorded outcome: "
            + ", ".join(f"{name}: {n}" for name, n in outcomes.most_common()),
            playbook_item="replay-to-break",
            evidence_refs=refs(entry.path for entry in untrusted),
            count=len(untrusted),
        )
