"""What a scan says of a file and of a whole source: values, and how they are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from policy.scanner.archive import SourceFile
from policy.scanner.comparison import Miss, compare_scanners
from policy.scanner.errors import SourceRefusedError
from policy.scanner.families import FAMILIES
from policy.scanner.line_scanner import LineFinding
from policy.scanner.report_entries import Classification, Entry, worst

SCANNER_VERSION = "3"


@dataclass(frozen=True)
class FileReport:
    """What was found in one file; its classification is that of its worst entry."""

    path: str
    size_bytes: int
    language: str | None
    classification: Classification
    entries: tuple[Entry, ...]
    line_findings: tuple[LineFinding, ...]
    misses: tuple[Miss, ...]
    is_complete: bool = True
    # The files that it loads, by the names that it gives them; no part of the report.
    loads: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the file's report as plain JSON values."""
        return {
            "path": self.path,
            "size_bytes": self.size_bytes,
            "language": self.language,
            "classification": self.classification.value,
            "is_complete": self.is_complete,
            "entries": [entry.as_dict() for entry in self.entries],
            "line_scanner": [finding.as_dict() for finding in self.line_findings],
            "missed_by_line_scanner": [miss.as_dict() for miss in self.misses],
        }


@dataclass(frozen=True)
class SourceReport:
    """What a scan of a source found, or why the source was refused."""

    name: str
    files: tuple[FileReport, ...] = ()
    refused: SourceRefusedError | None = field(default=None, compare=False)

    @property
    def classification(self) -> Classification:
        """Return the worst of the files; a refused source is never safe."""
        if self.refused is not None:
            return Classification.FLAGGED
        return worst(file.classification for file in self.files)

    @property
    def entries(self) -> list[Entry]:
        """Return the entries of all files, in their order."""
        return [entry for file in self.files for entry in file.entries]

    @property
    def misses(self) -> list[Miss]:
        """Return what the line scanner missed in all files."""
        return [miss for file in self.files for miss in file.misses]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {
            "scanner_version": SCANNER_VERSION,
            "name": self.name,
            "classification": self.classification.value,
            "refused": self.refused.as_dict() if self.refused else None,
            "counts": self.counts(),
            "missed_families": dict(Counter(m.family for m in self.misses)),
            "files": [file.as_dict() for file in self.files],
        }

    def counts(self) -> dict[str, int]:
        """Return how many files and entries there are of each classification."""
        files = Counter(file.classification.value for file in self.files)
        entries = Counter(entry.classification.value for entry in self.entries)
        words = [word.value for word in Classification]
        return {
            "files": len(self.files),
            **{f"files_{word}": files[word] for word in words},
            **{f"entries_{word}": entries[word] for word in words},
            "missed_by_line_scanner": len(self.misses),
            "incomplete_files": sum(not file.is_complete for file in self.files),
        }


def make_note(file: SourceFile, rule: str, what: str) -> Entry:
    """Return the entry of a file that was not analysed, or not fully."""
    family = FAMILIES["unreadable-code"]
    return Entry(
        file=file.path,
        line=1,
        column=1,
        rule=rule,
        classification=Classification.FLAGGED,
        excerpt="",
        why=f"The file was not, or not fully, analysed: {what}.",
        family=family.name,
        techniques=(family.name,),
        suggested_pattern=family.suggested_pattern,
        regression_test_idea=family.regression_test_idea,
        end_line=1,
    )


def make_report(
    file: SourceFile,
    language: str | None,
    entries: list[Entry],
    line_findings: list[LineFinding],
    *,
    is_complete: bool = True,
    loads: Iterable[str] = (),
) -> FileReport:
    """Return a file's report, classified as its worst entry."""
    return FileReport(
        path=file.path,
        size_bytes=len(file.data),
        language=language,
        classification=worst(entry.classification for entry in entries),
        entries=tuple(entries),
        line_findings=tuple(line_findings),
        misses=tuple(compare_scanners(entries, line_findings)),
        is_complete=is_complete,
        loads=tuple(loads),
    )
