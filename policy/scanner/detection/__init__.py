"""Find what is forbidden or flagged in a parsed file.

Each site of the program (a call, an import, a member, an assignment) is folded, and
what it comes to is held against the rules. docs/scanner.md gives the reasons for each
classification. A rule is a function of a detector, which collects
the entries of one file; a table in detector.py names the rule for each type of site.
"""

from policy.scanner.detection.detector import detect
from policy.scanner.detection.findings import MAX_ENTRIES, Findings

__all__ = ["MAX_ENTRIES", "Findings", "detect"]
