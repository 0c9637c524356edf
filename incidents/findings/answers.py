"""One door to the findings of every class, and to the classes that evidence shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from incidents.findings import (
    capability_use,
    ledger_integrity,
    quarantine_escape,
    quota_abuse,
    scanner_bypass,
    secret_exposure,
)
from incidents.findings.case import CaseEvidence, Reading
from incidents.findings.finding import Answer, Question, Verdict

_CLASSES = (
    capability_use,
    secret_exposure,
    ledger_integrity,
    scanner_bypass,
    quarantine_escape,
    quota_abuse,
)
_ANSWERS: Mapping[str, Callable[[Reading], Iterator[Answer]]] = {
    module.CODE: module.answer for module in _CLASSES
}
CODES: tuple[str, ...] = tuple(_ANSWERS)
QUESTIONS: Mapping[tuple[str, str], Question] = {
    (question.code, question.key): question
    for module in _CLASSES
    for question in module.QUESTIONS
}


def answer_all(evidence: CaseEvidence, codes: Iterable[str] = CODES) -> list[Answer]:
    """Return what the evidence says to the questions of the classes, in their order."""
    reading = Reading(evidence, evidence.library)
    wanted = set(codes)
    return [
        finding
        for code, answer in _ANSWERS.items()
        if code in wanted
        for finding in answer(reading)
    ]


@dataclass(frozen=True)
class ShownClass:
    """A class whose incident the evidence shows, with the findings that show it."""

    code: str
    findings: tuple[Answer, ...]

    @property
    def record_count(self) -> int:
        """Return how many records the finding with the most of them points at."""
        return max(len(finding.pointers) for finding in self.findings)


def shown_classes(findings: Iterable[Answer]) -> list[ShownClass]:
    """Return the classes that findings show an incident of, most records first.

    The first of them is the class to propose for a case that has none.
    """
    by_code: dict[str, list[Answer]] = {}
    for finding in findings:
        if finding.verdict is Verdict.FOUND and finding.question.is_incident:
            by_code.setdefault(finding.question.code, []).append(finding)
    shown = [ShownClass(code, tuple(group)) for code, group in by_code.items()]
    return sorted(shown, key=lambda shown: (-shown.record_count, shown.code))
