"""INC-4: what did the scanner miss, and what did the code do once it ran?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from incidents.findings.finding import Finding, FindingSeverity, counted, listed, refs
from incidents.findings.records import (
    ALL_EXTENSIONS,
    Extensions,
    alert_finding,
    call_text,
    ledger_entries,
    records,
    untrusted_note,
)
from policy.rules.capabilities import is_dangerous

if TYPE_CHECKING:  # importing it for real would load the parsers with every page
    from policy.scanner.report import SourceReport


def find_scanner_bypass(
    bundle: Mapping[str, Any],
    *,
    scan: SourceReport | None = None,
    ledger_report: Mapping[str, Any] | None = None,
    extension_ids: Extensions = ALL_EXTENSIONS,
) -> list[Finding]:
    """Answer INC-4 from a bundle, and from a scan of the source where there is one."""
    found = [
        alert_finding(
            bundle,
            "scanner_bypass",
            extension_ids=extension_ids,
            playbook_item="review-scan-results",
        ),
        _executed(bundle, ledger_report, extension_ids),
    ]
    found += _commands(bundle, extension_ids)
    if scan is not None:
        found += _scanned(scan)
    return found


def _executed(
    bundle: Mapping[str, Any],
    ledger_report: Mapping[str, Any] | None,
    extension_ids: Extensions,
) -> Finding:
    executed = [
        entry
        for entry in ledger_entries(bundle, extension_ids)
        if entry.text("outcome") == "executed"
    ]
    dangerous = [e for e in executed if is_dangerous(e.text("capability"))]
    counts = Counter(entry.text("capability") for entry in executed)
    by_capability = ", ".join(f"{name}: {n}" for name, n in counts.most_common())
    return Finding(
        key="executed-calls",
        title=f"{counted(len(executed), 'call')} executed, "
        f"{len(dangerous)} of a dangerous capability",
        severity=FindingSeverity.ERROR if dangerous else FindingSeverity.INFO,
        detail=(
            f"{by_capability or 'none'}." + untrusted_note(executed, ledger_report)
        ),
        playbook_item="executed-code-evidence",
        evidence_refs=refs(entry.path for entry in dangerous or executed),
        count=len(executed),
    )


def _commands(
    bundle: Mapping[str, Any], extension_ids: Extensions
) -> Iterator[Finding]:
    allowed = [
        command
        for command in records(bundle, "exec_mediation", extension_ids)
        if command.text("decision") == "allow"
    ]
    if not allowed:
        return
    classed = [command for command in allowed if command.text("command_class")]
    texts = listed(
        f"{call_text(command)}, {command.text('command_class') or 'unclassified'}, "
        f"risk {command.text('risk_tier') or 'unknown'}"
        for command in classed or allowed
    )
    yield Finding(
        key="commands-allowed",
        title=f"{counted(len(allowed), 'command')} let through by exec mediation",
        severity=FindingSeverity.CRITICAL if classed else FindingSeverity.WARNING,
        detail=f"{texts}. {len(classed)} of a dangerous class.",
        playbook_item="executed-code-evidence",
        evidence_refs=refs(command.path for command in classed or allowed),
        count=len(allowed),
    )


def _scanned(scan: SourceReport) -> Iterator[Finding]:
    if scan.refused is not None:
        yield Finding(
            key="source-refused",
            title="The source could not be scanned",
            severity=FindingSeverity.ERROR,
            detail=str(scan.refused),
            playbook_item="examine-source",
        )
        return
    entries = [e for e in scan.entries if e.classification != "safe"]
    counts = Counter(entry.classification.value for entry in entries)
    forbidden = counts["forbidden"]
    yield Finding(
        key="source-entries",
        title=f"{forbidden} forbidden and {counts['flagged']} flagged "
        "places in the source",
        severity=FindingSeverity.ERROR if forbidden else FindingSeverity.INFO,
        detail=listed(f"{e.file}:{e.line}: {e.rule}" for e in entries) or "None.",
        playbook_item="examine-source",
        evidence_refs=refs(f"{e.file}:{e.line}:{e.column}" for e in entries),
        count=len(entries),
    )
    misses = scan.misses
    yield Finding(
        key="missed-by-line-scanner" if misses else "nothing-missed",
        title=f"{counted(len(misses), 'place')} that a scanner reading lines misses",
        severity=FindingSeverity.CRITICAL if misses else FindingSeverity.INFO,
        detail=listed(
            f"{m.entry.file}:{m.entry.line}: {m.family}, {m.what}" for m in misses
        )
        or "None: whatever it found, the original scanner finds too.",
        playbook_item="check-evasion",
        evidence_refs=refs(
            f"{m.entry.file}:{m.entry.line}:{m.entry.column}" for m in misses
        ),
        count=len(misses),
    )
