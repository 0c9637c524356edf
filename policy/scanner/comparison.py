"""What did the line-based scanner miss, and in what form?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policy.scanner.families import (
    DIRECT,
    FAMILIES,
    LINE_BREAK,
    OUTSIDE_LINE_RULES,
)
from policy.scanner.line_scanner import LineFinding
from policy.scanner.report_entries import Classification, Entry

# Rules that the line-based scanner has as well.
_SHARED_RULES = frozenset(
    [
        "forbidden-module",
        "uncovered-builtin",
        "process-binding",
        "process-dlopen",
        "code-from-text",
        "harmless-code",
        "hidden-code",
    ]
)


@dataclass(frozen=True)
class Miss:
    """An entry that the line-based scanner did not have, or called less bad."""

    entry: Entry
    line_scanner_said: Classification
    family: str
    what: str
    suggested_pattern: str
    regression_test_idea: str

    def as_dict(self) -> dict[str, object]:
        """Return the miss as plain JSON values."""
        return {
            "file": self.entry.file,
            "line": self.entry.line,
            "column": self.entry.column,
            "rule": self.entry.rule,
            "classification": self.entry.classification.value,
            "line_scanner_said": self.line_scanner_said.value,
            "family": self.family,
            "what": self.what,
            "excerpt": self.entry.excerpt,
            "suggested_pattern": self.suggested_pattern,
            "regression_test_idea": self.regression_test_idea,
        }


def compare_scanners(
    entries: Iterable[Entry], line_findings: Iterable[LineFinding]
) -> list[Miss]:
    """Return the entries of one file that the line-based scanner missed.

    It has an entry if it says as much, or worse, of a line that the entry covers.
    """
    # By rule, the worst of a line: a line may be as long as the file.
    by_line: dict[int, dict[str, Classification]] = {}
    for finding in line_findings:
        said_of_line = by_line.setdefault(finding.line, {})
        known = said_of_line.get(finding.rule, Classification.SAFE)
        if finding.classification.rank > known.rank:
            said_of_line[finding.rule] = finding.classification
    misses = []
    for entry in entries:
        if entry.classification is Classification.SAFE:
            continue
        said = _said(entry, by_line)
        if said.rank < entry.classification.rank:
            misses.append(_miss(entry, said))
    return misses


def _said(
    entry: Entry, by_line: dict[int, dict[str, Classification]]
) -> Classification:
    """Return the worst that the line scanner said of the same on an entry's lines."""
    if entry.rule not in _SHARED_RULES:
        return Classification.SAFE
    last = min(entry.end_line, entry.line + 50)
    said = [
        classification
        for line in range(entry.line, last + 1)
        for rule, classification in by_line.get(line, {}).items()
        if _same_subject(entry.rule, rule)
    ]
    return max(said, key=lambda c: c.rank, default=Classification.SAFE)


def _same_subject(rule: str, line_rule: str) -> bool:
    """Return whether a rule of the line scanner speaks of what this rule finds."""
    if rule in ("harmless-code", "hidden-code", "code-from-text"):
        return line_rule == "code-from-text"
    return rule == line_rule


def _miss(entry: Entry, said: Classification) -> Miss:
    """Return an entry that the line scanner missed, with how it was hidden."""
    name = entry.family
    if name == DIRECT:
        is_plain = entry.rule in _SHARED_RULES and entry.end_line > entry.line
        name = LINE_BREAK if is_plain else OUTSIDE_LINE_RULES
    family = FAMILIES[name]
    return Miss(
        entry=entry,
        line_scanner_said=said,
        family=name,
        what=family.what,
        suggested_pattern=family.suggested_pattern,
        regression_test_idea=family.regression_test_idea,
    )
