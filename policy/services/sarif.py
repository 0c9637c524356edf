"""A stored scan as SARIF 2.1.0, which editors, forges and other tools read.

Follows OASIS SARIF 2.1.0: one run, one rule for each rule that found something, one
result for each entry. Forbidden is an error, flagged a warning, safe a note of kind
`pass`. Columns count Unicode code points, as the scanner does.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from policy.models import ScanEntry, ScanReport

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"forbidden": "error", "flagged": "warning", "safe": "none"}


def sarif_of(report: ScanReport) -> dict[str, Any]:
    """Return a report as a SARIF log, with every entry that is stored.

    The run says how it is handled: as the item that was scanned.
    """
    entries = list(report.entries.order_by("position"))
    rules = sorted({entry.rule for entry in entries})
    places = {rule: index for index, rule in enumerate(rules)}
    driver = {
        "name": "Casefile source scanner",
        "version": report.scanner_version or "unknown",
        "rules": [{"id": rule, "name": rule} for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": [_result(entry, places[entry.rule]) for entry in entries],
        "properties": {
            "classification": report.classification,
            "entriesNotStored": report.details.get("entries_not_stored", 0),
            "tlp": report.item.tlp.label,
        },
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _invocation(report: ScanReport) -> dict[str, Any]:
    """Describe whether the scan was done in full, and what was not."""
    counts = report.details.get("counts", {})
    notes = [report.refusal] if report.refusal else []
    if incomplete := counts.get("incomplete_files", 0):
        notes.append(f"Files that were not fully analysed: {incomplete}.")
    return {
        "executionSuccessful": not report.refusal,
        "endTimeUtc": f"{report.finished_at:%Y-%m-%dT%H:%M:%SZ}",
        "toolExecutionNotifications": [
            {"level": "error" if report.refusal else "warning", "message": {"text": t}}
            for t in notes
        ],
    }


def _result(entry: ScanEntry, rule_index: int) -> dict[str, Any]:
    """Return an entry as a result, at its place."""
    region: dict[str, Any] = {"startLine": entry.line, "startColumn": entry.column}
    if entry.excerpt:
        region["snippet"] = {"text": entry.excerpt}
    is_safe = entry.classification == "safe"
    found: dict[str, Any] = {
        "ruleId": entry.rule,
        "ruleIndex": rule_index,
        "kind": "pass" if is_safe else "fail",
        "level": _LEVELS[entry.classification],
        "message": {"text": entry.why or entry.rule},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(entry.file)},
                    "region": region,
                }
            }
        ],
        "properties": {
            "classification": entry.classification,
            "family": entry.family,
            "techniques": entry.techniques,
            "missedByLineScanner": entry.is_missed_by_line_scanner,
            "form": entry.form,
            "suggestedPattern": entry.suggested_pattern,
            "regressionTestIdea": entry.regression_test_idea,
        },
    }
    if entry.steps:
        found["codeFlows"] = [{"threadFlows": [_flow(entry)]}]
    return found


def _flow(entry: ScanEntry) -> dict[str, Any]:
    """Return the way by which the value of an entry came about."""
    return {
        "locations": [
            {
                "location": {
                    "physicalLocation": {
                        "artifactLocation": {"uri": quote(entry.file)},
                        "region": {
                            "startLine": step["line"],
                            "startColumn": step["column"],
                            "snippet": {"text": step["excerpt"]},
                        },
                    },
                    "message": {"text": step["how"]},
                }
            }
            for step in entry.steps
        ]
    }
