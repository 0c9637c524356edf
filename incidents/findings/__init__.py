"""What bundles, policy, source and history say about a playbook's questions.

Pure: documents and facts in, ``Finding`` values out. Evidence is read as it is, faulty
records included: a member that is missing or of the wrong type never raises; it makes
an answer unknown where the answer needs it. Nothing here verifies: callers pass the
verification report in, and what it does not trust is not read.
"""

from incidents.findings.answers import (
    CODES,
    QUESTIONS,
    ShownClass,
    answer_all,
    shown_classes,
)
from incidents.findings.case import (
    CaseEvidence,
    ExplanationInput,
    HistoryInput,
    PolicyInput,
    SourceInput,
)
from incidents.findings.finding import Answer, Pointer, Question, Verdict
from incidents.findings.records import Document

__all__ = (
    "CODES",
    "QUESTIONS",
    "Answer",
    "CaseEvidence",
    "Document",
    "ExplanationInput",
    "HistoryInput",
    "Pointer",
    "PolicyInput",
    "Question",
    "ShownClass",
    "SourceInput",
    "Verdict",
    "answer_all",
    "shown_classes",
)
