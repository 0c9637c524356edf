"""The source scanner: bytes of an extension's source in, a report out.

Guarantees: the source is parsed, never run; every place that is forbidden or flagged
is reported with rule, line, column and reason; what cannot be read or fully analysed
is said to be so and is never called safe. Pure: no Django, files, clock or network.

Does not: prove a source harmless. What a source fetches or computes from the outside
is flagged as unknown at best. docs/scanner.md gives the rules and their reasons.

The way of a file: `archive` unpacks, `scanning` bounds and puts together, `parsing`
finds scopes and writes, `folding` computes constants with the rules of `semantics` and
what the runtime brings (`builtins`), `detection` names places, `proof` says which of
the rest are safe, `report` holds the answer.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from policy.scanner.archive import ArchiveLimits, SourceFile, unpack_source
from policy.scanner.comparison import Miss, compare_scanners
from policy.scanner.errors import SourceRefusedError
from policy.scanner.line_scanner import LineFinding, scan_lines
from policy.scanner.regression import RegressionTest, regression_tests
from policy.scanner.report import SCANNER_VERSION, FileReport, SourceReport
from policy.scanner.report_entries import Classification, Entry

if TYPE_CHECKING:
    from policy.scanner.scanning import scan_file, scan_source

__all__ = [
    "SCANNER_VERSION",
    "ArchiveLimits",
    "Classification",
    "Entry",
    "FileReport",
    "LineFinding",
    "Miss",
    "RegressionTest",
    "SourceFile",
    "SourceRefusedError",
    "SourceReport",
    "compare_scanners",
    "regression_tests",
    "scan_file",
    "scan_lines",
    "scan_source",
    "unpack_source",
]

# What parses is a good part of what a start would load; few processes ever scan.
_LOADED_WHEN_ASKED = {
    "scan_file": "policy.scanner.scanning",
    "scan_source": "policy.scanner.scanning",
}


def __getattr__(name: str) -> Any:
    """Load what parses source when it is first asked for."""
    module = _LOADED_WHEN_ASKED.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(module), name)
