"""Regression tests cut out of a source: the few lines that a line-based scanner missed.

Each was scanned by itself and gave the finding again. What cannot be cut out of its
file without losing the finding makes no test.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Protocol

from policy.scanner.archive import SourceFile
from policy.scanner.comparison import Miss
from policy.scanner.report import FileReport


class ScanOne(Protocol):
    """Scans one file, within whatever limits the caller has."""

    def __call__(self, file: SourceFile, *, is_run: bool) -> FileReport: ...


MAX_TESTS = 60
# Of one form: the shortest places first, and no more than these are tried.
TRIES = 3
_CUT = "…"


@dataclass(frozen=True)
class RegressionTest:
    """A source of a few lines, and what a scanner has to say of it."""

    family: str
    found_in: str
    source: str
    rule: str
    classification: str
    line_scanner_said: str

    def as_dict(self) -> dict[str, str]:
        """Return the test as plain JSON values."""
        return asdict(self)


def regression_tests(misses: Iterable[Miss], scan_one: ScanOne) -> list[RegressionTest]:
    """Return a test for each form that was missed, where one can be cut out."""
    ordered = sorted(misses, key=lambda miss: (miss.family, len(_source_of(miss))))
    tests: list[RegressionTest] = []
    for _, group in groupby(ordered, key=lambda miss: miss.family):
        candidates = [miss for miss, _ in zip(group, range(TRIES), strict=False)]
        found = next(filter(None, (_try(miss, scan_one) for miss in candidates)), None)
        if found is not None and len(tests) < MAX_TESTS:
            tests.append(found)
    return tests


def _source_of(miss: Miss) -> str:
    """Return the places of a value's way and the finding, as a source by themselves."""
    entry = miss.entry
    places = [step.excerpt for step in entry.steps if step.how != "called"]
    return "".join(f"{text.rstrip(';')};\n" for text in (*places, entry.context.marked))


def _try(miss: Miss, scan_one: ScanOne) -> RegressionTest | None:
    """Return the test if its source gives the finding, and is missed, by itself."""
    source, entry = _source_of(miss), miss.entry
    if _CUT in source or not entry.context.marked:
        return None
    report = scan_one(SourceFile("test.js", source.encode()), is_run=True)
    again = [
        found
        for found in report.misses
        if (found.entry.rule, found.entry.classification)
        == (entry.rule, entry.classification)
    ]
    if not again:
        return None
    return RegressionTest(
        family=miss.family,
        found_in=f"{entry.file}:{entry.line}",
        source=source,
        rule=entry.rule,
        classification=entry.classification.value,
        line_scanner_said=again[0].line_scanner_said.value,
    )
